"""From a call to messages in the broker: single calls, the steps of canvases, and retries."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec

from tq.app import models
from tq.app.connections import Connections
from tq.app.drafts import CONSTANT, Draft, Drafts, Seen, draft_of
from tq.app.options import check_retry_options, given_options
from tq.app.registry import TaskRegistry
from tq.app.retries import following
from tq.canvas.launch import Step
from tq.canvas.stamps import names_of
from tq.client.call import CALL_OPTIONS, NO_OPTIONS, ROUTING, CallOptions, call_options, make_call
from tq.client.publisher import Publisher
from tq.contracts.broker import Cap
from tq.errors import BackendUnavailable, BrokerUnavailable, TaskLocked
from tq.policy.route import Route
from tq.policy.times import iso, start_of
from tq.records import Envelope
from tq.request import Request, current_request
from tq.wire.call import TaskCall
from tq.wire.locks import lock_of
from tq.wire.prepared import id_of
from tq.wire.protocol import write_task
from tq.wire.writer import origin

if TYPE_CHECKING:
    from tq.app.task import Task


class Sending(Connections):
    """An app's tasks and connections put together: whatever becomes a message does so here."""

    def __init__(self, settings: Mapping[str, Any], *, strict: bool) -> None:
        super().__init__(settings)
        self.tasks: TaskRegistry = TaskRegistry()
        self._strict = strict
        self._drafts: dict[str, Seen] = {}

    def publish_call(
        self,
        name: str,
        task: Task[..., Any] | None,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        given: Mapping[str, Any],
    ) -> str:
        """Send one call with options that were checked; its id, or that of the task that has its lock.

        `task` is None where it is not known here.
        """
        options = call_options(given) if given else NO_OPTIONS
        parent = current_request.get()
        if task is not None and parent is None and given.keys() <= CONSTANT:
            draft = self._draft(task, options, given)
            if draft is not None:
                envelope = draft.envelope(args, kwargs)
                self.publish([envelope], options)
                return str(id_of(envelope.message))
        call, delay = self._call(name, task, args, kwargs, options, parent)
        if options.unique_for is None:
            self.publish([self._envelope(call, task, delay, options)], options)
            return call.id
        from tq.client.uniques import only_one

        call, options = only_one(call, options, self.broker)
        try:
            self.publish([self._envelope(call, task, delay, options)], options)
        except TaskLocked as exc:
            return exc.task_id
        return call.id

    def _draft(self, task: Task[..., Any], options: CallOptions, given: Mapping[str, Any]) -> Draft | None:
        """The draft of a task's calls with these options, from the second call on that is like the one before."""
        conf = self.conf
        facts = (
            given,
            task,
            self._reply_to(),
            self._ignores(task),
            conf.task_serializer,
            conf.task_compression,
            self.router,
            origin(),
        )
        last = self._drafts.get(task.name)
        if last is None or last.facts != facts:
            self._drafts[task.name] = Seen(facts)
            return None
        return last.draft(lambda: draft_of(self, task.name, task, options, None))

    def envelope(
        self,
        name: str,
        task: Task[..., Any] | None,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        options: CallOptions,
    ) -> Envelope:
        """The message of one call, to be sent with others."""
        call, delay = self._call(name, task, args, kwargs, options, current_request.get())
        return self._envelope(call, task, delay, options)

    def check_arguments(self, task: Task[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        """Raises `TypeError` where they do not fit the task, unless the app or the task says not to look."""
        if task._check is not None and self._strict:
            task._check(*args, **kwargs)

    def has_trail(self, parent: Request) -> bool:
        """Whether the running task notes what it sends as its children."""
        task = self.tasks.get(parent.task)
        return task is None or task.trail

    def _call(
        self,
        name: str,
        task: Task[..., Any] | None,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        options: CallOptions,
        parent: Request | None = None,
    ) -> tuple[TaskCall, float]:
        return make_call(
            name,
            args,
            kwargs,
            options,
            now=time.time(),
            reply_to=self._reply_to(),
            ignore_result=self._ignores(task),
            parent=parent,
            zone=self.timezone,
        )

    def _reply_to(self) -> str:
        return self._oid if self.replies is None else self.replies.address()

    def _ignores(self, task: Task[..., Any] | None) -> bool | None:
        """None, for a task that is not known here, leaves it to the worker's own knowledge of the task."""
        if task is None:
            return self.conf.task_ignore_result or None
        return self.conf.task_ignore_result if task.ignore_result is None else task.ignore_result

    def _envelope(
        self, call: TaskCall, task: Task[..., Any] | None, delay: float, options: CallOptions
    ) -> Envelope:
        wishes = {} if options is NO_OPTIONS else _routing(options)
        route = self.router.route(call.task, call.args, call.kwargs, wishes, task)
        return self._to(route, call, delay, options)

    def _to(self, route: Route, call: TaskCall, delay: float, options: CallOptions) -> Envelope:
        conf = self.conf
        message = write_task(
            call,
            self.serializers[options.serializer or conf.task_serializer],
            compression=options.compression or conf.task_compression,
        )
        lock = lock_of(call.headers, call.id) if call.headers else None
        loud = route.queue in self.broadcasts.channels
        if loud:
            self.broadcasts.check(self.broker, route.queue, lock)
        if delay and (loud or Cap.DELAY not in self.broker.capabilities):
            # The worker that gets it keeps to the eta in its header.
            delay = 0.0
        return Envelope(
            message,
            route.queue,
            route.priority,
            delay,
            route.exchange,
            route.routing_key,
            options.unique,
            lock,
        )

    @cached_property
    def publisher(self) -> Publisher:
        """Puts messages into the broker, within `broker_publish_timeout` seconds."""
        from tq.app.extras import publishing_hooks

        return Publisher(
            self.broker,
            timeout=self.conf.broker_publish_timeout,
            broadcasts=self.broadcasts,
            **publishing_hooks(self),
        )

    def observed(self, envelope: Envelope, follows: Sequence[str]) -> Envelope:
        """Tell the observers of a message that a worker stores together with the end of the tasks it follows."""
        if self.publisher.publishing is not None:
            self.publisher.publishing(envelope=envelope, follows=follows)
        if self.conf.task_send_sent_event:
            self.events.sent(envelope)
        return envelope

    def hear_again(self) -> None:
        """Look the receivers of the publishing signals up again; they are bound once, so that none costs nothing."""
        self.__dict__.pop("publisher", None)

    def publish(self, envelopes: Sequence[Envelope], options: CallOptions) -> None:
        """Put messages into the broker; of `options` those about publishing count. Raises as `Publisher.publish`."""
        if self.replies is not None:
            try:
                self.replies.listen()
            except BackendUnavailable as exc:
                raise BrokerUnavailable(str(exc), url=exc.url) from exc
        self.publisher.publish(
            envelopes,
            retry=self.conf.task_publish_retry if options.retry is None else options.retry,
            policy=options.retry_policy or self.conf.task_publish_retry_policy,
            timeout=options.timeout,
        )

    def step_envelope(self, step: Step, *, follows: bool = False) -> Envelope:
        """The message of one call of a canvas. What `follows` a task is stored once, however often that task
        runs; not so what replaced a task, for it has the id of a message that was there before."""
        task = self.tasks.get(step.task)
        args, kwargs = step.args, step.kwargs
        if task is not None and not follows:
            self.check_arguments(task, args, kwargs)
            if task.pydantic:
                args, kwargs = models.dump_arguments(args, kwargs)
        options = self._step_options(step, task, follows)
        call, delay = self._call(step.task, task, args, kwargs, options)
        return self._envelope(call, task, delay, options)

    def _step_draft(self, step: Step, task: Task[..., Any] | None) -> Draft | None:
        return draft_of(self, step.task, task, self._step_options(step, task, follows=False), None)

    def _step_options(self, step: Step, task: Task[..., Any] | None, follows: bool) -> CallOptions:
        own = task.call_options() if task is not None else {}
        given = self.known_options(step.options)
        unique = follows and not given.get("replaced_task_nesting")
        return call_options({"unique": unique, **given_options(own, given)})

    def publish_steps(
        self, steps: Sequence[Step], options: Mapping[str, Any], *, follows: bool = False
    ) -> None:
        """Send several calls at once; of `options` those about publishing count."""
        said = CallOptions(
            retry=options.get("retry"),
            retry_policy=options.get("retry_policy"),
            timeout=options.get("timeout"),
        )
        if follows:
            self.publish([self.step_envelope(step, follows=True) for step in steps], said)
            return
        drafts = Drafts(self, self.step_envelope, self._step_draft)
        self.publish([drafts.envelope(step) for step in steps], said)

    def known_options(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """The options of a signature without those that only its sender knows; Celery freezes empty places too."""
        stamps = names_of(options)
        return {
            name: value
            for name, value in options.items()
            if (name in CALL_OPTIONS and value is not None) or name in stamps
        }

    def next_attempt(
        self,
        task: Task[..., Any],
        request: Request,
        args: Sequence[Any] | None,
        kwargs: Mapping[str, Any] | None,
        countdown: float | None,
        eta: Any,
        given: Mapping[str, Any],
    ) -> Any:
        """What `Task.retry` asks for: the same id, one more retry. An envelope; for an eager run its call.

        It goes to the queue that the last attempt came from, unless `given` names another.
        """
        check_retry_options(given)
        said, now = CallOptions(**given), time.time()
        start = start_of(countdown, eta, now, self.timezone)
        call = following(task, request.call, args, kwargs, said, now, self.timezone)
        call = msgspec.structs.replace(call, eta=None if start is None else iso(start))
        if request.is_eager:
            return call
        route = Route(request.queue, priority=call.priority)
        if said.queue is not None or said.routing_key is not None:
            route = self.router.route(call.task, call.args, call.kwargs, _routing(said), task)
        written = CallOptions(
            serializer=said.serializer or task.serializer or call.serializer,
            compression=said.compression or task.compression or call.compression,
        )
        delay = 0.0 if start is None else max(0.0, start - now)
        return self.observed(self._to(route, call, delay, written), (call.id,))


def _routing(options: CallOptions) -> dict[str, Any]:
    return {name: value for name in ROUTING if (value := getattr(options, name)) is not None}
