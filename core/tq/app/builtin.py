"""The tasks that every worker has, by Celery's names: canvases of Celery's clients send them."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tq.app.make import make_task
from tq.app.task import Task
from tq.app.unlock import unlock_chord
from tq.canvas.compound import chord, chunks, group, signature_from
from tq.errors import InvalidTask

if TYPE_CHECKING:
    from tq.app.app import TQ


def builtin_tasks(app: TQ) -> dict[str, Task[..., Any]]:
    """The tasks, bound to the app."""

    def accumulate(*args: Any, index: int | None = None) -> Any:
        return args if index is None else args[index]

    def xmap(task: Mapping[str, Any], it: Sequence[Any]) -> list[Any]:
        body = app.task_named(task["task"])
        return [_value(body(item)) for item in it]

    def xstarmap(task: Mapping[str, Any], it: Sequence[Any]) -> list[Any]:
        body = app.task_named(task["task"])
        return [_value(body(*item)) for item in it]

    def in_chunks(task: Mapping[str, Any], it: Sequence[Any], n: int) -> Any:
        return chunks(task, it, n, app=app).apply_async().as_tuple()

    def as_group(
        tasks: Sequence[Mapping[str, Any]],
        result: Any = None,
        group_id: str | None = None,
        partial_args: Sequence[Any] = (),
        **_: Any,
    ) -> Any:
        options = {"task_id": group_id} if group_id else {}
        return group(tasks, app=app, **options).apply_async(partial_args).as_tuple()

    def as_chord(header: Any, body: Mapping[str, Any], partial_args: Sequence[Any] = (), **_: Any) -> Any:
        members = signature_from(header, app) if isinstance(header, Mapping) else header
        return chord(members, body, app=app).apply_async(partial_args).as_tuple()

    def as_chain(*_: Any, **__: Any) -> None:
        raise InvalidTask("celery.chain is no task that runs; a chain travels with the messages of its steps")

    def chord_unlock(
        self: Any,
        group_id: str,
        callback: Mapping[str, Any],
        interval: float | None = None,
        max_retries: int | None = None,
        result: Sequence[Any] = (),
        **_: Any,
    ) -> None:
        unlock_chord(app, self, group_id, callback, interval, max_retries, result)

    def backend_cleanup() -> None:
        if app.backend is not None:
            app.backend.cleanup()

    functions = {
        "celery.accumulate": accumulate,
        "celery.map": xmap,
        "celery.starmap": xstarmap,
        "celery.chunks": in_chunks,
        "celery.group": as_group,
        "celery.chord": as_chord,
        "celery.chain": as_chain,
        "celery.backend_cleanup": backend_cleanup,
    }
    found = {name: _made(app, name, function) for name, function in functions.items()}
    unlock = "celery.chord_unlock"
    return {
        **found,
        unlock: _made(app, unlock, chord_unlock, bind=True, max_retries=None, ignore_result=True),
    }


def _made(app: TQ, name: str, function: Any, **options: Any) -> Task[..., Any]:
    task = make_task(function, app, {"name": name, "base": Task, **options})
    task._app = app
    return task


def _value(found: Any) -> Any:
    if not inspect.iscoroutine(found):
        return found
    return asyncio.run(found)
