"""The tasks of both sides: the same plain functions become tasks of tq and of Celery, under the same names.

Imports neither, because each side runs in a Python that lacks the other.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

from tests import ledger


class Broken(Exception):
    """An error that both sides know."""


class Unknown(Exception):
    """An error whose constructor wants other arguments than it keeps."""

    def __init__(self, *, code: int) -> None:
        super().__init__(f"code {code}")


ERRORS: dict[str, type[Exception]] = {
    "ValueError": ValueError,
    "KeyError": KeyError,
    "ZeroDivisionError": ZeroDivisionError,
    "OSError": OSError,
    "Broken": Broken,
}


def add(x: Any, y: Any) -> Any:
    return x + y


def echo(value: Any) -> Any:
    return value


def total(values: Any) -> Any:
    return values if isinstance(values, int) else sum(total(value) for value in values)


def swap(self: Any, tree: Any) -> Any:
    """Be replaced by the workflow that `tree` describes."""
    return self.replace(workflow(self.app, tree))


def fail(kind: str, *args: Any) -> None:
    raise ERRORS[kind](*args)


def fail_strangely() -> None:
    raise Unknown(code=5)


def started_at() -> float:
    return time.time()


def note(*words: Any) -> str:
    line = " ".join(str(word) for word in words)
    ledger.write(line)
    return line


def note_error(task_id: str) -> None:
    ledger.write("error", task_id)


def hold(path: str) -> str:
    """Run until the file is gone."""
    ledger.write("held")
    while os.path.exists(path):
        time.sleep(0.02)
    return "released"


def flaky(self: Any, retries: int, countdown: float) -> int:
    """Succeed after so many retries, and return how many there were."""
    if self.request.retries < retries:
        raise self.retry(exc=Broken("not yet"), countdown=countdown, max_retries=retries)
    return int(self.request.retries)


def progress(self: Any, path: str) -> str:
    """Tell how far it is, and wait until the file is gone."""
    self.update_state(state="PROGRESS", meta={"done": 3, "of": 7})
    return hold(path)


def seen(self: Any) -> dict[str, Any]:
    """What a task sees of its own message."""
    request = self.request
    return {
        "id": request.id,
        "root_id": request.root_id,
        "parent_id": request.parent_id,
        "retries": request.retries,
        "correlation_id": request.correlation_id,
        "headers": {"tenant": (request.headers or {}).get("tenant")},
        "delivery_info": request.delivery_info["routing_key"],
        "timelimit": list(request.timelimit),
        "group": request.group,
    }


def stamps(self: Any, *args: Any) -> list[Any]:
    """The stamps of the run, and what ran before it gave."""
    own = {name: self.request.stamps[name] for name in sorted(self.request.stamped_headers or ())}
    return [*(before for each in args for before in each), own]


PLAIN: tuple[Callable[..., Any], ...] = (
    add,
    echo,
    total,
    fail,
    fail_strangely,
    started_at,
    note,
    note_error,
    hold,
)
BOUND: tuple[Callable[..., Any], ...] = (flaky, progress, seen, swap, stamps)


def register(app: Any) -> None:
    """Make the functions tasks of an app of either kind."""
    for function in PLAIN:
        app.task(name=f"shop.{function.__name__}")(function)
    for function in BOUND:
        app.task(name=f"shop.{function.__name__}", bind=True)(function)


def visitor(base: Any) -> Any:
    """A stamping visitor on the base class that the app's side has: each kind stamps its own name."""

    class Visitor(base):  # type: ignore[misc]
        def on_signature(self, sig: Any, **headers: Any) -> Any:
            return {"task": sig["task"]}

        def on_chain_start(self, chain: Any, **headers: Any) -> Any:
            return {"in_chain": True}

        def on_group_start(self, group: Any, **headers: Any) -> Any:
            return {"in_group": True}

        def on_chord_body(self, sig: Any, **header: Any) -> Any:
            return {"in_body": [1, 2]}

    return Visitor()


def workflow(app: Any, tree: Any) -> Any:
    """The workflow that nested lists describe, made of the classes that the app's side has:
    [name, *args], ["chain", ...], ["group", ...], ["chord", [...], body], ["chunks", name, items, n],
    ["stamped", {header: value}, tree], ["visited", tree]."""
    kit = __import__("tq" if type(app).__module__.startswith("tq") else "celery")
    kind, *rest = tree
    if kind == "chain":
        return kit.chain(*(workflow(app, step) for step in rest), app=app)
    if kind == "group":
        return kit.group([workflow(app, member) for member in rest], app=app)
    if kind == "chord":
        return kit.chord([workflow(app, member) for member in rest[0]], workflow(app, rest[1]), app=app)
    if kind == "stamped":
        found = workflow(app, rest[1])
        found.stamp(**rest[0])
        return found
    if kind == "visited":
        found = workflow(app, rest[0])
        found.stamp(visitor(kit.canvas.StampingVisitor if kit.__name__ == "celery" else kit.StampingVisitor))
        return found
    if kind == "chunks":
        return app.tasks[rest[0]].chunks(rest[1], rest[2])
    return app.signature(kind, args=rest)
