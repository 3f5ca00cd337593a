"""The application: settings, tasks, and the connections that they use. It composes; it does no work itself."""

from __future__ import annotations

import datetime as dt
import importlib
import os
import threading
import time
import weakref
import zoneinfo
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Concatenate, Literal, ParamSpec, Protocol, Self, TypeVar, overload

import msgspec

from tq.app import current, models
from tq.app.arguments import argument_check
from tq.app.make import make_task
from tq.app.modules import import_object, import_related, module_of_script
from tq.app.options import (
    check_call_options,
    check_retry_options,
    check_task,
    check_task_options,
    given_options,
)
from tq.app.registry import TaskRegistry
from tq.app.serializers import Serializers
from tq.app.task import Task
from tq.canvas.compound import signature_from
from tq.canvas.kinds import kind_of
from tq.canvas.launch import Node, Step
from tq.canvas.signature import Signature
from tq.client.call import CALL_OPTIONS, NO_OPTIONS, ROUTING, CallOptions, make_call, signatures
from tq.client.publisher import Publisher
from tq.client.result import AsyncResult
from tq.client.waiter import Waiter
from tq.config import Settings
from tq.contracts.broker import Cap
from tq.errors import ImproperlyConfigured, InvalidTask
from tq.plugins import registry
from tq.plugins.signal import Signal
from tq.policy.route import QueueInfo, Route, Router
from tq.policy.times import LocalZone, end_of, iso, start_of
from tq.records import Delivery, Envelope, Revocation, TaskMeta
from tq.request import Request, current_request
from tq.wire.call import TaskCall
from tq.wire.exceptions import exception_document, rebuild_exception
from tq.wire.ids import new_id
from tq.wire.protocol import write_task
from tq.wire.saferepr import saferepr

if TYPE_CHECKING:
    from typing import Unpack

    from tq.app.keywords import TaskKeywords
    from tq.app.schedules import Schedules
    from tq.client.keywords import CallKeywords
    from tq.contracts.broker import Broker
    from tq.contracts.results import ResultBackend
    from tq.contracts.serializer import Serializer
    from tq.plugins.hooks import HookManager
    from tq.worker.follow import FollowUp
    from tq.worker.outcome import Outcome

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S", bound=Task[..., Any])
S_co = TypeVar("S_co", bound=Task[..., Any], covariant=True)

_REVOKED_FOR = 86400.0 * 7


class TaskDecorator(Protocol):
    def __call__(self, fn: Callable[P, R], /) -> Task[P, R]: ...


class BoundTaskDecorator(Protocol[S_co]):
    def __call__(self, fn: Callable[Concatenate[S_co, P], R], /) -> Task[P, R]: ...


class TQ:
    """One application, by Celery's names.

    `main` is its name, and the prefix of tasks defined in `__main__`. `broker` and `backend` are URLs,
    `include` modules that workers import; every other keyword is a setting. Making an app connects to
    nothing and reads no file.
    """

    def __init__(
        self,
        main: str | None = None,
        *,
        broker: str | None = None,
        backend: str | None = None,
        include: Sequence[str] | None = None,
        config_source: Any = None,
        namespace: str | None = None,
        set_as_current: bool = True,
        strict_typing: bool = True,
        task_cls: type[Task[..., Any]] | str | None = None,
        **settings: Any,
    ) -> None:
        self.main = main
        given = {"broker_url": broker, "result_backend": backend, "include": include}
        settings.update({name: value for name, value in given.items() if value is not None})
        self.conf: Settings = Settings(settings, plugins=self._extra_settings)
        if config_source is not None:
            self.config_from_object(config_source, namespace=namespace)
        self.tasks: TaskRegistry = TaskRegistry()
        self.serializers: Serializers = Serializers(self.conf)
        self._strict = strict_typing
        self._task_cls = task_cls
        self._discover: list[tuple[Any, str | None]] = []
        self._periodic: dict[str, Mapping[str, Any]] = {}
        self._announced = False
        self.on_after_configure: Signal = Signal("on_after_configure")
        """Sent once, when a worker or beat has imported its modules; receivers get the app as `sender`."""
        self.on_after_finalize: Signal = Signal("on_after_finalize")
        """Sent directly after it: all tasks are known."""
        self._oid = new_id()
        self._lock = threading.RLock()
        _forget_connections_after_fork(self)
        current.enter(self)
        if set_as_current:
            self.set_current()

    # -- tasks ---------------------------------------------------------------------------------------------

    @overload
    def task(self, fn: Callable[P, R], /) -> Task[P, R]: ...
    @overload
    def task(
        self, *, bind: Literal[True], **options: Unpack[TaskKeywords]
    ) -> BoundTaskDecorator[Task[..., Any]]: ...
    @overload
    def task(self, *, bind: Literal[True], base: type[S], **options: Any) -> BoundTaskDecorator[S]: ...
    @overload
    def task(self, *, bind: Literal[False] = ..., **options: Unpack[TaskKeywords]) -> TaskDecorator: ...
    @overload
    def task(
        self, *, base: type[Task[..., Any]], bind: Literal[False] = ..., **options: Any
    ) -> TaskDecorator: ...
    def task(self, fn: Any = None, **options: Any) -> Any:
        """Make a function a task; as `@app.task` or with options, `@app.task(max_retries=5)`.

        Options are the attributes of `Task`, and `name`, `base`, `bind`. Raises `ImproperlyConfigured` for
        an option that neither `Task` nor `base` has.
        """
        if fn is not None:
            return self.register_task(make_task(fn, self, options))
        return lambda function: self.register_task(make_task(function, self, options))

    def register_task(self, task: Task[P, R] | type[Task[P, R]], **options: Any) -> Task[P, R]:
        """Add a task object or class; `options` set its attributes.

        Raises `AlreadyRegistered` where another task has its name, `ImproperlyConfigured` for wrong options.
        """
        ready = task() if isinstance(task, type) else task
        if not isinstance(ready, Task):
            raise ImproperlyConfigured(
                f"register_task takes a task, or a class that derives from Task: {task!r}"
            )
        check_task_options(type(ready), options, type(ready).__name__)
        for name, value in options.items():
            setattr(ready, name, value)
        if not ready.name:
            ready.name = self.gen_task_name(type(ready).__name__, type(ready).__module__)
        ready._app = self
        check_task(ready)
        if ready.typing and ready._check is None:
            ready._check = argument_check(ready.run, ready.name)
        self.tasks.add(ready)
        return ready

    def gen_task_name(self, name: str, module: str) -> str:
        """The wire name of a function: module and name, with `main` for `__main__`."""
        if module == "__main__":
            module = self.main or module_of_script()
        return f"{module}.{name}" if module else name

    def autodiscover_tasks(
        self,
        packages: Iterable[str] | Callable[[], Iterable[str]] | None = None,
        related_name: str | None = "tasks",
        force: bool = False,
    ) -> None:
        """Import `<package>.tasks` of each package when a worker starts, or at once with `force`.

        Without a `related_name` the packages themselves are imported. A function is asked for the packages then.
        """
        self._discover.append((packages or (), related_name))
        if force:
            self._import_discovered()

    def import_modules(self) -> None:
        """Import what `imports`, `include` and `autodiscover_tasks` name. Raises what a module raises."""
        for module in (*self.conf.imports, *self.conf.include):
            importlib.import_module(module)
        self._import_discovered()
        self.announce()

    def announce(self) -> None:
        """Send `on_after_configure` and `on_after_finalize`, the first time that this is called."""
        if not self._announced:
            self._announced = True
            self.on_after_configure.send(self)
            self.on_after_finalize.send(self)

    def _import_discovered(self) -> None:
        waiting, self._discover = self._discover, []
        for packages, related in waiting:
            found = packages() if callable(packages) else packages
            for package in (found,) if isinstance(found, str) else found:
                import_related(package, related)

    # -- periodic tasks ------------------------------------------------------------------------------------

    def add_periodic_task(
        self,
        schedule: Any,
        sig: Any,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        name: str | None = None,
        **opts: Any,
    ) -> str:
        """Have beat send a signature (or a task) by a schedule: seconds, a timedelta or one of `tq.schedules`.

        `opts` are options of the call, and `relative`, `zone`, `misfire`, `catch_up`, `grace`, `overlap`,
        `enabled` of the entry. Returns the entry's name, by default that of the call.
        """
        from tq.app.beat import periodic

        key, entry = periodic(schedule, sig, args, kwargs, name, opts)
        self._periodic[key] = entry
        return key

    @cached_property
    def schedules(self) -> Schedules:
        """The entries of beat's store: add, change, pause, run and remove them while beats run."""
        from tq.app.schedules import Schedules

        return Schedules(self)

    # -- settings ------------------------------------------------------------------------------------------

    def config_from_object(
        self, obj: Any, silent: bool = False, force: bool = False, namespace: str | None = None
    ) -> None:
        """Take settings from a module, object or mapping, or the dotted path of one. `force` reads it now,
        `silent` passes over a path that cannot be imported."""
        self.conf.add_object(obj, namespace, silent=silent)
        if force:
            self.conf.get("broker_url")

    def config_from_envvar(self, variable: str, silent: bool = False, force: bool = False) -> None:
        """Take settings from the module that an environment variable names."""
        self.conf.add_envvar(variable, silent=silent)
        if force:
            self.conf.get("broker_url")

    def _extra_settings(self) -> Any:
        from tq.app.extras import extra_settings

        return extra_settings(self.hooks)

    @cached_property
    def hooks(self) -> HookManager:
        """The hook plugins of this app, the installed ones loaded."""
        from tq.plugins.hooks import HookManager

        manager = HookManager()
        manager.load()
        return manager

    # -- calling -------------------------------------------------------------------------------------------

    def send(
        self,
        task: Task[..., Any],
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        options: Mapping[str, Any] | None = None,
    ) -> AsyncResult[Any]:
        """Send a task that is known here; `Task.delay` and `Task.apply_async` come here."""
        if task._check is not None and self._strict:
            task._check(*args, **kwargs)
        if options:
            check_call_options(options)
        if self.conf.task_always_eager:
            return task.apply(args, kwargs, **(options or {}))
        if task.pydantic:
            args, kwargs = models.dump_arguments(args, kwargs)
        return self._send(task.name, task, args, kwargs, given_options(task.call_options(), options or {}))

    def send_task(
        self,
        name: str,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        **options: Unpack[CallKeywords],
    ) -> AsyncResult[Any]:
        """Send a task by name; its code need not be here. Options as for `Task.apply_async`.

        It goes to a worker even with `task_always_eager`, as in Celery.
        """
        check_call_options(options)
        return self._send(name, self.tasks.get(name), args or (), kwargs or {}, options)

    def signature(
        self,
        task: str | Mapping[str, Any],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        immutable: bool = False,
        **options: Unpack[CallKeywords],
    ) -> Signature:
        """A call as data, by task name or from a signature's dictionary."""
        check_call_options(options)
        if isinstance(task, Mapping):
            return signature_from(task, self).clone(args, kwargs, **options)
        return Signature(task, args, kwargs, {**options}, immutable=immutable, app=self)

    def send_signature(
        self, signature: Signature, args: Sequence[Any], kwargs: Mapping[str, Any], options: Mapping[str, Any]
    ) -> Any:
        """Send any signature; `Signature.apply_async` comes here."""
        from tq.app import flows

        if self.conf.task_always_eager:
            return self.apply_signature(signature, args, kwargs, options)
        if kind_of(signature) != "task" or signature.options.get("chain") or signature.options.get("chord"):
            return flows.send_canvas(self, signature, args, kwargs, options)
        ready = signature.clone(args, kwargs, **options)
        known = self.tasks.get(ready.task)
        if known is not None:
            return self.send(known, ready.args, ready.kwargs, ready.options)
        check_call_options(ready.options)
        return self._send(ready.task, None, ready.args, ready.kwargs, ready.options)

    def apply_signature(
        self, signature: Signature, args: Sequence[Any], kwargs: Mapping[str, Any], options: Mapping[str, Any]
    ) -> Any:
        """Run any signature in this process; `Signature.apply` comes here."""
        from tq.app import flows

        return flows.apply_canvas(self, signature, args, kwargs, options)

    def result_of(self, node: Node) -> Any:
        """The result of what is, or will be, sent under these ids."""
        from tq.app import flows

        return flows.result_of(self, node)

    def GroupResult(self, group_id: str, results: Sequence[Any] = ()) -> Any:
        """The results of a group, by its id and theirs."""
        from tq.client.groups import GroupResult

        return GroupResult(group_id, results, self)

    def task_named(self, name: str) -> Task[..., Any]:
        """A task of this app, or one of those that every worker has. Raises `NotRegistered`."""
        return self.tasks.get(name) or self.builtin.get(name) or self.tasks[name]

    @cached_property
    def builtin(self) -> Mapping[str, Task[..., Any]]:
        """The tasks that every worker has, for canvases of Celery's clients."""
        from tq.app.builtin import builtin_tasks

        return builtin_tasks(self)

    def _send(
        self,
        name: str,
        task: Task[..., Any] | None,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        given: Mapping[str, Any],
    ) -> AsyncResult[Any]:
        options = CallOptions(**given) if given else NO_OPTIONS
        parent = current_request.get()
        call, delay = make_call(
            name,
            args,
            kwargs,
            options,
            now=time.time(),
            reply_to=self._oid,
            ignore_result=self._ignores(task),
            parent=parent,
            zone=self.timezone,
        )
        envelope = self._envelope(call, task, delay, options)
        self.publisher.publish(
            (envelope,),
            retry=self.conf.task_publish_retry if options.retry is None else options.retry,
            policy=options.retry_policy or self.conf.task_publish_retry_policy,
            timeout=options.timeout,
        )
        result: AsyncResult[Any] = AsyncResult(call.id, self)
        if parent is not None and options.add_to_parent and self.has_trail(parent):
            parent.children.append(result.as_tuple())
        return result

    def has_trail(self, parent: Request) -> bool:
        """Whether the running task notes what it sends as its children."""
        task = self.tasks.get(parent.task)
        return task is None or task.trail

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
        if delay and Cap.DELAY not in self.broker.capabilities:
            # The worker that gets it keeps to the eta in its header.
            delay = 0.0
        return Envelope(
            message, route.queue, route.priority, delay, route.exchange, route.routing_key, options.unique
        )

    # -- for tasks and workers -------------------------------------------------------------------------------

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
        call = self._following(task, request.call, args, kwargs, said, now)
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
        return self._to(route, call, 0.0 if start is None else max(0.0, start - now), written)

    def _following(
        self,
        task: Task[..., Any],
        call: TaskCall,
        args: Sequence[Any] | None,
        kwargs: Mapping[str, Any] | None,
        said: CallOptions,
        now: float,
    ) -> TaskCall:
        if task.pydantic:
            new_args, new_kwargs = models.dump_arguments(args or (), kwargs or {})
            args, kwargs = None if args is None else new_args, None if kwargs is None else new_kwargs
        changes: dict[str, Any] = {"retries": call.retries + 1, "parent_id": call.id}
        changes["root_id"] = call.root_id or call.id
        if args is not None:
            changes |= {"args": args, "argsrepr": _repr_of(args, call.args, call.argsrepr)}
        if kwargs is not None:
            changes |= {"kwargs": kwargs, "kwargsrepr": _repr_of(kwargs, call.kwargs, call.kwargsrepr)}
        if said.expires is not None:
            changes["expires"] = iso(end_of(said.expires, now, self.timezone) or now)
        for name in ("time_limit", "soft_time_limit", "ignore_result", "shadow", "priority"):
            if (value := getattr(said, name)) is not None:
                changes[name] = value
        if said.headers:
            changes["headers"] = {**call.headers, **said.headers}
        if said.link is not None:
            changes["callbacks"] = signatures(said.link, "link")
        if said.link_error is not None:
            changes["errbacks"] = signatures(said.link_error, "link_error")
        return msgspec.structs.replace(call, **changes)

    def follow_up(self, call: TaskCall, outcome: Outcome, delivery: Delivery) -> FollowUp:
        """What follows a run: callbacks, the next of its chain, its part in a chord, error callbacks."""
        from tq.app import flows

        return flows.after_run(self, call, outcome)

    def step_envelope(self, step: Step, *, follows: bool = False) -> Envelope:
        """The message of one call of a canvas. What `follows` a task is stored once, however often that task
        runs; not so what replaced a task, for it has the id of a message that was there before."""
        task = self.tasks.get(step.task)
        own = task.call_options() if task is not None else {}
        given = self.known_options(step.options)
        args, kwargs = step.args, step.kwargs
        if task is not None and not follows:
            if task._check is not None and self._strict:
                task._check(*args, **kwargs)
            if task.pydantic:
                args, kwargs = models.dump_arguments(args, kwargs)
        unique = follows and not given.get("replaced_task_nesting")
        options = CallOptions(**{"unique": unique, **given_options(own, given)})
        call, delay = make_call(
            step.task,
            args,
            kwargs,
            options,
            now=time.time(),
            reply_to=self._oid,
            ignore_result=self._ignores(task),
            zone=self.timezone,
        )
        return self._envelope(call, task, delay, options)

    def publish_steps(
        self, steps: Sequence[Step], options: Mapping[str, Any], *, follows: bool = False
    ) -> None:
        """Send several calls at once; of `options` those about publishing count."""
        retry = options.get("retry")
        self.publisher.publish(
            [self.step_envelope(step, follows=follows) for step in steps],
            retry=self.conf.task_publish_retry if retry is None else retry,
            policy=options.get("retry_policy") or self.conf.task_publish_retry_policy,
            timeout=options.get("timeout"),
        )

    def known_options(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """The options of a signature without those that only its sender knows; Celery freezes empty places too."""
        return {name: value for name, value in options.items() if name in CALL_OPTIONS and value is not None}

    def store_state(
        self, task_id: str | None, state: str, meta: Any, request: Request, fields: Mapping[str, Any]
    ) -> None:
        """Store a custom state; without a backend there is nobody to read it, and nothing happens.

        Raises `InvalidTask` without a task id or a state.
        """
        if not task_id or not state:
            raise InvalidTask("update_state needs a state, and outside of a running task a task_id")
        if self.backend is None or request.is_eager:
            return
        more = {name: value for name, value in fields.items() if name in TaskMeta.__struct_fields__}
        group = None if request.called_directly else request.call.group
        result = exception_document(meta) if isinstance(meta, BaseException) else meta
        self.backend.store([TaskMeta(task_id, state, result=result, group_id=group, **more)])

    # -- results -------------------------------------------------------------------------------------------

    def AsyncResult(self, task_id: str) -> AsyncResult[Any]:
        """The result of any task, by id."""
        return AsyncResult(task_id, self)

    def rebuild(self, document: Any) -> BaseException:
        """The exception of a failure document. Besides Python's and tq's own, only classes from the packages
        of this app's tasks are built."""
        packages = {type(task).__module__.partition(".")[0] for task in self.tasks.values()}
        return rebuild_exception(document, lambda module: module.partition(".")[0] in packages)

    def revoke(self, task_ids: Sequence[str], *, terminate: bool = False, signal: str = "SIGTERM") -> None:
        """Make these tasks not run; with `terminate` end them where they run (pools that can)."""
        if Cap.REVOKE not in self.broker.capabilities:
            raise ImproperlyConfigured(f"{type(self.broker).__name__} cannot keep revocations")
        self.broker.revoke([Revocation(i, terminate, signal) for i in task_ids], expires=_REVOKED_FOR)

    # -- connections ---------------------------------------------------------------------------------------

    @cached_property
    def broker(self) -> Broker:
        """The broker of `broker_url`; it connects on first use."""
        with self._lock:
            return registry.load_broker(self.conf.broker_url, self.conf.broker_transport_options)

    @cached_property
    def backend(self) -> ResultBackend | None:
        """The result backend of `result_backend`, or None."""
        url = self.conf.result_backend
        if url is None or url.startswith("disabled"):
            return None
        with self._lock:
            return registry.load_backend(
                url,
                self.conf.result_backend_transport_options,
                serializer=self._result_serializer(),
                expires=self.conf.result_expires,
            )

    def _result_serializer(self) -> Serializer:
        conf = self.conf
        writer = self.serializers[conf.result_serializer]
        which = "accept_content" if conf.result_accept_content is None else "result_accept_content"
        if writer.content_type not in self.serializers.readers(conf[which], which):
            raise ImproperlyConfigured(
                f"results are written with result_serializer = {conf.result_serializer!r}, and {which} = "
                f"{list(conf[which])!r} forbids to read them; name it there, or choose another serializer"
            )
        return writer

    @cached_property
    def waiter(self) -> Waiter:
        """Waits for the results that are awaited."""
        return Waiter(self._required_backend)

    def _required_backend(self) -> ResultBackend:
        if self.backend is None:
            raise ImproperlyConfigured("no result backend is configured, so nothing can be awaited")
        return self.backend

    @cached_property
    def publisher(self) -> Publisher:
        """Puts messages into the broker, within `broker_publish_timeout` seconds."""
        from tq.app.extras import publishing_hooks

        publishing, published = publishing_hooks(self)
        return Publisher(
            self.broker,
            timeout=self.conf.broker_publish_timeout,
            publishing=publishing,
            published=published,
        )

    def hear_again(self) -> None:
        """Look the receivers of the publishing signals up again; they are bound once, so that none costs nothing."""
        self.__dict__.pop("publisher", None)

    @cached_property
    def router(self) -> Router:
        """Decides queues, as the settings were when it was first needed."""
        conf = self.conf
        return Router(
            conf.task_routes,
            default_queue=conf.task_default_queue,
            default_priority=conf.task_default_priority,
            queues=[QueueInfo(q.name, q.exchange, q.routing_key) for q in conf.task_queues or ()],
            create_missing=conf.task_create_missing_queues,
            resolve=import_object,
        )

    @cached_property
    def timezone(self) -> dt.tzinfo:
        """The zone of naive datetimes: `timezone`, else UTC, or the machine's own with `enable_utc` off."""
        if self.conf.timezone:
            return zoneinfo.ZoneInfo(self.conf.timezone)
        return dt.UTC if self.conf.enable_utc else LocalZone()

    def close(self) -> None:
        """Close connections; the app can be used again and connects anew."""
        for name in ("broker", "backend"):
            connection = self.__dict__.pop(name, None)
            if connection is not None:
                connection.close()
        self.__dict__.pop("publisher", None)
        self.__dict__.pop("waiter", None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def set_current(self) -> None:
        """Make this the current app."""
        current.set_current_app(self)

    set_default = set_current

    def __repr__(self) -> str:
        return f"<TQ {self.main or '__main__'}>"


def _routing(options: CallOptions) -> dict[str, Any]:
    return {name: value for name in ROUTING if (value := getattr(options, name)) is not None}


def _repr_of(value: Any, before: Any, text: str | None) -> str:
    """What logs and events show of arguments that a retry changes; a text that the caller chose hides these too."""
    forms = (before, tuple(before)) if isinstance(before, list) else (before,)
    return saferepr(value) if text is None or text in map(saferepr, forms) else text


def _forget_connections_after_fork(app: TQ) -> None:
    reference = weakref.ref(app)

    def forget() -> None:
        known = reference()
        if known is None:
            return
        known._oid = new_id()
        known.__dict__.pop("waiter", None)
        for name in ("broker", "backend"):
            connection = known.__dict__.get(name)
            if connection is not None:
                connection.after_fork()

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=forget)
