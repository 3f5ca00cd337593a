"""Many calls in one publish: `Task.map_async`, `Task.starmap_async` and `app.send_many`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from tq.app import models
from tq.app.drafts import Drafts, draft_of
from tq.app.options import check_call_options, given_options
from tq.canvas.kinds import kind_of
from tq.canvas.launch import Step
from tq.canvas.signature import Signature
from tq.client.call import NO_OPTIONS, CallOptions, call_options
from tq.client.groups import ResultSet
from tq.client.result import AsyncResult
from tq.errors import BrokerError, ImproperlyConfigured
from tq.records import Envelope
from tq.request import current_request
from tq.wire.prepared import id_of

if TYPE_CHECKING:
    from tq.app.app import TQ
    from tq.app.task import Task

BATCH = 1000
"""Messages in one publish: what one deadline is for, and what may be in doubt when it breaks."""
_ONE_BY_ONE = "task_id", "unique_for", "unique_key"
"""Options that mean something for one call alone."""


def send_each(
    app: TQ, task: Task[..., Any], calls: Iterable[Sequence[Any]], options: Mapping[str, Any]
) -> ResultSet:
    """Call a task once for each tuple of arguments, with the same options.

    Raises `TypeError` before anything is sent for wrong options, and with the batch that it is found in for wrong
    arguments. An error of the broker says how many calls it has accepted before.
    """
    check_call_options(options)
    given = given_options(task.call_options(), options)
    _refuse_what_is_for_one(task.name, given)
    if app.conf.task_always_eager:
        return ResultSet([task.apply(args, **options) for args in calls], app)
    said = call_options(given) if given else NO_OPTIONS
    return _in_batches(app, _alike(app, task, calls, said), said)


def send_many(app: TQ, signatures: Iterable[Signature], options: Mapping[str, Any]) -> ResultSet:
    """Send signatures of single tasks; `options` go over those of each.

    Raises `ImproperlyConfigured` for groups, chains and chords.
    """
    check_call_options(options)
    if app.conf.task_always_eager:
        return ResultSet([_single(each).apply(**options) for each in signatures], app)
    drafts = Drafts(
        app,
        lambda step: _signed(app, step, options),
        lambda step, task: draft_of(
            app, step.task, task, _said(app, step, task, options), current_request.get()
        ),
    )
    steps = (_step(_single(each)) for each in signatures)
    return _in_batches(app, map(drafts.envelope, steps), call_options(options))


def _step(signature: Signature) -> Step:
    return Step(signature.task, signature.args, signature.kwargs, signature.options)


def _single(signature: Signature) -> Signature:
    if kind_of(signature) == "task" and not (
        signature.options.get("chain") or signature.options.get("chord")
    ):
        return signature
    raise ImproperlyConfigured(
        f"send_many takes signatures of single tasks, not {signature!r}; send it by its own apply_async()"
    )


def _signed(app: TQ, step: Step, options: Mapping[str, Any]) -> Envelope:
    task = app.tasks.get(step.task)
    return _envelope(app, task or step.task, step.args, step.kwargs, _said(app, step, task, options))


def _said(app: TQ, step: Step, task: Task[..., Any] | None, options: Mapping[str, Any]) -> CallOptions:
    own = task.call_options() if task is not None else {}
    given = given_options(own, {**app.known_options(step.options), **options})
    _refuse_what_is_for_one(step.task, given)
    return call_options(given) if given else NO_OPTIONS


def _refuse_what_is_for_one(name: str, given: Mapping[str, Any]) -> None:
    found = [option for option in _ONE_BY_ONE if given.get(option) is not None]
    if found:
        raise ImproperlyConfigured(
            f"task {name!r} has the option {found[0]}, which is for one call; send its calls by apply_async()"
        )


def _envelope(
    app: TQ, task: Task[..., Any] | str, args: Sequence[Any], kwargs: Mapping[str, Any], options: CallOptions
) -> Envelope:
    if isinstance(task, str):
        return app.envelope(task, None, args, kwargs, options)
    app.check_arguments(task, args, kwargs)
    if task.pydantic:
        args, kwargs = models.dump_arguments(args, kwargs)
    return app.envelope(task.name, task, args, kwargs, options)


def _alike(
    app: TQ, task: Task[..., Any], calls: Iterable[Sequence[Any]], options: CallOptions
) -> Iterator[Envelope]:
    draft = draft_of(app, task.name, task, options, current_request.get())
    if draft is None or task.pydantic:
        yield from (_envelope(app, task, args, {}, options) for args in calls)
        return
    for args in calls:
        app.check_arguments(task, args, {})
        yield draft.envelope(args, {})


def _in_batches(app: TQ, envelopes: Iterator[Envelope], options: CallOptions) -> ResultSet:
    results: list[AsyncResult[Any]] = []
    while batch := list(islice(envelopes, BATCH)):
        try:
            app.publish(batch, options)
        except BrokerError as exc:
            exc.add_note(f"{len(results)} calls were accepted before; up to {len(batch)} more may have been")
            raise
        results += [AsyncResult(id_of(envelope.message), app) for envelope in batch]
    parent = current_request.get()
    if parent is not None and options.add_to_parent and app.has_trail(parent):
        parent.children.extend(result.as_tuple() for result in results)
    return ResultSet(results, app)
