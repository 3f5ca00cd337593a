"""The app that Celery workers run, and the end of a pipe through which tests use a Celery client.

Run by Celery's own Python, which has no tq.
"""

from __future__ import annotations

import os
import pickle
import sys
from typing import Any

from celery import Celery, chain, group  # type: ignore[import-not-found,unused-ignore]
from celery.result import AsyncResult  # type: ignore[import-not-found,unused-ignore]
from kombu import Queue, serialization  # type: ignore[import-not-found,unused-ignore]
from kombu.common import Broadcast  # type: ignore[import-not-found,unused-ignore]

from tests.interop import bodies

URL = os.environ["TQ_TEST_BROKER"]
RESULTS = os.environ.get("TQ_TEST_BACKEND", URL)


def make_app(**settings: Any) -> Any:
    """A Celery app with the tasks of both sides."""
    made = Celery("shop", broker=URL, backend=RESULTS, set_as_current=False)
    made.conf.update(broker_connection_retry_on_startup=True, worker_hijack_root_logger=False, **settings)
    bodies.register(made)
    return made


ALSO = os.environ.get("TQ_TEST_ACCEPT")
"""A serializer that the worker reads besides JSON, and writes results with."""
app = make_app(**({"accept_content": ["json", ALSO], "result_serializer": ALSO} if ALSO else {}))
if "TQ_TEST_MAX_PRIORITY" in os.environ:
    app.conf.task_queue_max_priority = int(os.environ["TQ_TEST_MAX_PRIORITY"])
if "TQ_TEST_BROADCAST" in os.environ:
    app.conf.task_queues = (Queue("celery"), Broadcast(os.environ["TQ_TEST_BROADCAST"]))
app.set_default()  # Flower asks for results without saying of which app
old = make_app(task_protocol=1)


class Client:
    """What tests ask for; each method is one request. A task is (name, args, kwargs)."""

    def __init__(self) -> None:
        self._begun: list[Any] = []

    def send(self, name: str, args: Any = (), kwargs: Any = None, **options: Any) -> str:
        """Send one task, return its id."""
        return str(self._send(app, name, args, kwargs, options).id)

    def broadcast(self, queue: str, name: str, args: Any = (), **options: Any) -> str:
        """Send one task to all workers. On Redis a client that does not declare the exchange reaches nobody."""
        exchange = app.amqp.queues[queue].exchange
        return str(app.send_task(name, args, queue=queue, declare=[exchange], **options).id)

    def send_old(self, name: str, args: Any = (), kwargs: Any = None, **options: Any) -> str:
        """Send one task by protocol 1."""
        return str(self._send(old, name, args, kwargs, options).id)

    def _send(self, by: Any, name: str, args: Any, kwargs: Any, options: dict[str, Any]) -> Any:
        for link in ("link", "link_error"):
            if link in options:
                options[link] = self._signature(by, options[link])
        return by.send_task(name, args, kwargs, **options)

    def delay(self, name: str, *args: Any) -> str:
        """Send one task as its own object does."""
        return str(app.tasks[name].delay(*args).id)

    def chain(self, *tasks: Any) -> list[str]:
        """Send a chain, return the ids of its tasks, first first."""
        result = chain(*(self._signature(app, task) for task in tasks), app=app).apply_async()
        ids = []
        while result is not None:
            ids.append(str(result.id))
            result = result.parent
        return ids[::-1]

    def group(self, *tasks: Any) -> Any:
        """Send a group, return its id and the list of its results."""
        result = group([self._signature(app, task) for task in tasks], app=app).apply_async()
        return result.id, result.get(timeout=60)

    def workflow(self, tree: Any) -> Any:
        """Send a workflow; its value, or the text of its error."""
        return self.end_of(self.begin(tree))

    def begin(self, tree: Any) -> int:
        """Send a workflow and go on."""
        self._begun.append(bodies.workflow(app, tree).apply_async())
        return len(self._begun) - 1

    def end_of(self, number: int) -> Any:
        """Wait for a workflow."""
        try:
            return self._begun[number].get(timeout=60)
        except Exception as exc:  # noqa: BLE001 - it is what the test asks for
            return f"{type(exc).__name__}: {exc}"

    def _signature(self, by: Any, task: Any) -> Any:
        name, args, *more = task
        return by.signature(name, args=args, kwargs=more[0] if more else {})

    def outcome(self, task_id: str, timeout: float = 60.0) -> dict[str, Any]:
        """Wait for the end of a task; state, value, and of an exception class, module, args and text."""
        result = AsyncResult(task_id, app=app)
        value = result.get(timeout=timeout, propagate=False)
        told: dict[str, Any] = {"state": result.state, "traceback": result.traceback, "value": value}
        if isinstance(value, BaseException):
            kind = type(value)
            told |= {"value": None, "class": kind.__name__, "module": kind.__module__}
            told |= {"args": value.args if _plain(value.args) else repr(value.args), "text": str(value)}
        return told

    def look(self, task_id: str) -> tuple[str, Any]:
        """State and info now."""
        result = AsyncResult(task_id, app=app)
        info = result.info
        return result.state, repr(info) if isinstance(info, BaseException) else info

    def dumps(self, value: Any, serializer: str) -> tuple[str, str, bytes]:
        """What kombu writes: content type, encoding, bytes."""
        content_type, encoding, written = serialization.dumps(value, serializer)
        return content_type, encoding, written.encode() if isinstance(written, str) else written

    def loads(self, data: bytes, content_type: str, encoding: str) -> Any:
        """What kombu reads."""
        return serialization.loads(data, content_type, encoding, accept={content_type})

    def outcome_by(self, serializer: str, task_id: str) -> tuple[str, Any]:
        """State and value of a task whose result was written so."""
        reader = make_app(result_serializer=serializer, accept_content=["json", serializer])
        result = AsyncResult(task_id, app=reader)
        value = result.get(timeout=60, propagate=False)
        return result.state, repr(value) if isinstance(value, BaseException) else value

    def command(self, name: str, arguments: Any = None, nodes: Any = ()) -> dict[str, Any]:
        """Send a command of remote control to these workers; their replies by node."""
        replies = app.control.broadcast(
            name, arguments=arguments, destination=list(nodes), reply=True, timeout=20, limit=len(nodes)
        )
        return {node: said for reply in replies for node, said in reply.items()}

    def forget(self, task_id: str) -> None:
        """Remove a result."""
        AsyncResult(task_id, app=app).forget()


def _plain(args: tuple[Any, ...]) -> bool:
    return all(isinstance(arg, (str, int, float, type(None))) for arg in args)


def serve() -> None:
    """Answer requests until the pipe ends; each is a pickled (method, args, kwargs)."""
    # Answers must not be mixed with what libraries print.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    client = Client()
    while True:
        try:
            method, args, kwargs = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        try:
            answer: tuple[bool, Any] = (True, getattr(client, method)(*args, **kwargs))
        except Exception as exc:  # noqa: BLE001 - the test shows it
            answer = (False, f"{type(exc).__name__}: {exc}")
        pickle.dump(answer, answers)
        answers.flush()


if __name__ == "__main__":
    serve()
