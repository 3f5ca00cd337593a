"""The application: settings, tasks, and the connections that they use. It composes; it does no work itself."""

from __future__ import annotations

import datetime as dt
import importlib
import os
import sys
import threading
import time
import uuid
import weakref
import zoneinfo
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Concatenate, Literal, ParamSpec, Protocol, Self, TypeVar, overload

from tq import states
from tq.app import current, models
from tq.app.arguments import argument_check
from tq.app.registry import TaskRegistry
from tq.app.serializers import Serializers
from tq.app.task import CALL_OPTIONS, OPTIONS, Task
from tq.canvas.signature import Signature
from tq.canvas.unroll import Step, after_failure, after_success, steps_of
from tq.client.call import NO_OPTIONS, ROUTING, CallOptions, make_call
from tq.client.publisher import Publisher
from tq.client.result import AsyncResult
from tq.config import Settings
from tq.contracts.broker import Cap
from tq.errors import ImproperlyConfigured, InvalidTask
from tq.plugins import registry
from tq.policy.route import QueueInfo, Route, Router
from tq.policy.times import iso, start_of
from tq.records import Delivery, Envelope, Revocation, TaskMeta
from tq.request import Request, current_request
from tq.wire.call import TaskCall
from tq.wire.exceptions import rebuild_exception
from tq.wire.ids import new_id
from tq.wire.protocol import write_task
from tq.wire.saferepr import saferepr

if TYPE_CHECKING:
    from tq.contracts.broker import Broker
    from tq.contracts.results import ResultBackend
    from tq.plugins.hooks import HookManager
    from tq.worker.outcome import Outcome

P = ParamSpec("P")
R = TypeVar("R")

_FOLLOW_UPS = uuid.UUID("7b1f3a52-0c8e-4a8e-9d0e-5c1f6a2c7d11")
_REVOKED_FOR = 86400.0 * 7


class TaskDecorator(Protocol):
    def __call__(self, fn: Callable[P, R], /) -> Task[P, R]: ...


class BoundTaskDecorator(Protocol):
    def __call__(self, fn: Callable[Concatenate[Any, P], R], /) -> Task[P, R]: ...


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
        self.conf = Settings(settings, plugins=self._extra_settings)
        if config_source is not None:
            self.config_from_object(config_source, namespace=namespace)
        self.tasks = TaskRegistry()
        self.serializers = Serializers()
        self._strict = strict_typing
        self._task_cls = task_cls
        self._discover: list[tuple[Any, str]] = []
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
    def task(self, *, bind: Literal[True], **options: Any) -> BoundTaskDecorator: ...
    @overload
    def task(self, *, bind: Literal[False] = ..., **options: Any) -> TaskDecorator: ...
    def task(self, fn: Any = None, **options: Any) -> Any:
        """Make a function a task; as `@app.task` or with options, `@app.task(max_retries=5)`.

        Options are the attributes of `Task`, and `name`, `base`, `bind`. Raises `ImproperlyConfigured` for
        an option that neither `Task` nor `base` has.
        """
        if fn is not None:
            return self.register_task(make_task(fn, self, options))
        return lambda function: self.register_task(make_task(function, self, options))

    def register_task(self, task: Task[P, R] | type[Task[P, R]], **options: Any) -> Task[P, R]:
        """Add a task object or class. Raises `AlreadyRegistered` where another one has its name."""
        ready = task() if isinstance(task, type) else task
        for name, value in options.items():
            setattr(ready, name, value)
        if not ready.name:
            ready.name = self.gen_task_name(type(ready).__name__, type(ready).__module__)
        ready._app = self
        if ready.typing and ready._check is None:
            ready._check = argument_check(ready.run, ready.name)
        self.tasks.add(ready)
        return ready

    def gen_task_name(self, name: str, module: str) -> str:
        """The wire name of a function: module and name, with `main` for `__main__`."""
        if module == "__main__":
            module = self.main or _module_of_script()
        return f"{module}.{name}" if module else name

    def autodiscover_tasks(
        self,
        packages: Iterable[str] | Callable[[], Iterable[str]] = (),
        related_name: str = "tasks",
        force: bool = False,
    ) -> None:
        """Import `<package>.tasks` of each package when a worker starts, or at once with `force`."""
        self._discover.append((packages, related_name))
        if force:
            self._import_discovered()

    def import_modules(self) -> None:
        """Import what `include`, `imports` and `autodiscover_tasks` name. Raises what a module raises."""
        for module in (*self.conf.include, *self.conf.imports):
            importlib.import_module(module)
        self._import_discovered()

    def _import_discovered(self) -> None:
        waiting, self._discover = self._discover, []
        for packages, related in waiting:
            for package in packages() if callable(packages) else packages:
                _import_related(package, related)

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
            _check_options(options)
        if self.conf.task_always_eager:
            return task.apply(args, kwargs, **(options or {}))
        if task.pydantic:
            args, kwargs = models.dump_arguments(args, kwargs)
        own = task.call_options()
        return self._send(task.name, task, args, kwargs, {**own, **(options or {})} if own or options else {})

    def send_task(
        self,
        name: str,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> AsyncResult[Any]:
        """Send a task by name; its code need not be here. Options as for `Task.apply_async`."""
        _check_options(options)
        return self._send(name, self.tasks.get(name), args or (), kwargs or {}, options)

    def signature(
        self,
        task: str | Mapping[str, Any],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        immutable: bool = False,
        **options: Any,
    ) -> Signature:
        """A call as data, by task name or from a signature's dictionary."""
        return Signature(task, args, kwargs, options, immutable=immutable, send=self._send_signature)

    def _send_signature(
        self, signature: Signature, args: Sequence[Any], kwargs: Mapping[str, Any], options: Mapping[str, Any]
    ) -> AsyncResult[Any]:
        ready = signature.clone(args, kwargs, **options)
        steps = steps_of(ready, ())
        if ready.get("subtask_type") is not None or len(steps) != 1:
            raise ImproperlyConfigured(
                f"a {ready['subtask_type']} cannot be sent yet; send its tasks one by one"
            )
        (step,) = steps
        known = self.tasks.get(step.task)
        own = known.call_options() if known is not None else {}
        return self._send(step.task, known, step.args, step.kwargs, {**own, **step.options})

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
        if parent is not None and options.add_to_parent:
            parent.children.append(result.as_tuple())
        return result

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
    ) -> tuple[TaskCall, float]:
        """The call that `Task.retry` asks for: the same id, one more retry; and its delay in seconds."""
        _check_options(given)
        call, now = request.call, time.time()
        start = start_of(countdown, eta, now, self.timezone)
        replaced = CallOptions(**given)
        new_args = call.args if args is None else args
        new_kwargs = call.kwargs if kwargs is None else kwargs
        following = TaskCall(
            call.id,
            call.task,
            new_args,
            new_kwargs,
            callbacks=call.callbacks,
            errbacks=call.errbacks,
            chain=call.chain,
            chord=call.chord,
            eta=None if start is None else iso(start),
            expires=call.expires,
            retries=call.retries + 1,
            time_limit=replaced.time_limit or call.time_limit,
            soft_time_limit=replaced.soft_time_limit or call.soft_time_limit,
            group=call.group,
            group_index=call.group_index,
            root_id=call.root_id or call.id,
            parent_id=call.id,
            shadow=call.shadow,
            ignore_result=call.ignore_result,
            reply_to=call.reply_to,
            argsrepr=call.argsrepr if args is None else saferepr(new_args),
            kwargsrepr=call.kwargsrepr if kwargs is None else saferepr(new_kwargs),
            replaced_task_nesting=call.replaced_task_nesting,
            stamped_headers=call.stamped_headers,
            stamps=call.stamps,
            priority=call.priority if replaced.priority is None else replaced.priority,
            headers={**call.headers, **(replaced.headers or {})},
        )
        return following, 0.0 if start is None else max(0.0, start - now)

    def envelope(self, call: TaskCall, task: Task[..., Any], delay: float, *, queue: str) -> Envelope:
        """The message of a next attempt; it goes to the queue that the last one came from."""
        options = CallOptions(
            serializer=task.serializer or call.serializer, compression=task.compression or call.compression
        )
        return self._to(Route(queue, priority=call.priority), call, delay, options)

    def follow_up(self, call: TaskCall, outcome: Outcome, delivery: Delivery) -> list[Envelope]:
        """The messages that follow a task: callbacks, the next of its chain, error callbacks."""
        if outcome.state == states.SUCCESS:
            return [self._step_envelope(step) for step in self.following(call, outcome.value)]
        return [self._step_envelope(step) for step in _numbered(call, after_failure(call))]

    def following(self, call: TaskCall, value: Any) -> list[Step]:
        """The calls that follow a success. Their ids depend on the call alone, so that a task that runs
        twice does not double them where the broker can tell."""
        return _numbered(call, after_success(call, value))

    def _step_envelope(self, step: Step) -> Envelope:
        task = self.tasks.get(step.task)
        own = task.call_options() if task is not None else {}
        given = {name: value for name, value in step.options.items() if name in CALL_OPTIONS}
        options = (
            CallOptions(**{**own, **given}, unique=True) if "unique" not in given else CallOptions(**given)
        )
        call, delay = make_call(
            step.task,
            step.args,
            step.kwargs,
            options,
            now=time.time(),
            reply_to=self._oid,
            ignore_result=self._ignores(task),
            zone=self.timezone,
        )
        return self._envelope(call, task, delay, options)

    def store_state(
        self, task_id: str | None, state: str, meta: Any, request: Request, fields: Mapping[str, Any]
    ) -> None:
        """Store a custom state. Raises `ImproperlyConfigured` without a backend or a task id."""
        if self.backend is None:
            raise ImproperlyConfigured("update_state has nowhere to write: no result_backend is configured")
        if not task_id or not state:
            raise InvalidTask("update_state needs a state, and outside of a running task a task_id")
        more = {name: value for name, value in fields.items() if name in TaskMeta.__struct_fields__}
        group = None if request.called_directly else request.call.group
        self.backend.store([TaskMeta(task_id, state, result=meta, group_id=group, **more)])

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
                serializer=self.serializers[self.conf.result_serializer],
                expires=self.conf.result_expires,
            )

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
        """The zone of naive datetimes."""
        return zoneinfo.ZoneInfo(self.conf.timezone) if self.conf.timezone else dt.UTC

    def close(self) -> None:
        """Close connections; the app can be used again and connects anew."""
        for name in ("broker", "backend"):
            connection = self.__dict__.pop(name, None)
            if connection is not None:
                connection.close()
        self.__dict__.pop("publisher", None)

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


def make_task(function: Callable[..., Any], app: TQ | None, options: Mapping[str, Any]) -> Task[..., Any]:
    """A task object around a function; without an app it belongs to the current one."""
    if not callable(function):
        raise ImproperlyConfigured(f"@app.task takes options by keyword, and a function: not {function!r}")
    given = dict(options)
    base = given.pop("base", None) or _base_of(app)
    given.setdefault("bind", False)
    _check_task_options(base, given, function.__name__)
    name = given.pop("name", None) or _name_of(function, app)
    namespace: dict[str, Any] = {
        **given,
        "name": name,
        "run": function if given["bind"] else staticmethod(function),
        "__doc__": function.__doc__,
        "__module__": function.__module__,
        "__qualname__": function.__qualname__,
        "__wrapped__": staticmethod(function),
    }
    task: Task[..., Any] = type(function.__name__, (base,), namespace)()
    task._app = app
    if task.typing:
        task._check = argument_check(function, name, skip_first=given["bind"])
    return task


def _base_of(app: TQ | None) -> type[Task[..., Any]]:
    chosen = app._task_cls if app is not None else None
    found: type[Task[..., Any]] = import_object(chosen) if isinstance(chosen, str) else chosen or Task
    return found


def _name_of(function: Callable[..., Any], app: TQ | None) -> str:
    if app is not None:
        return app.gen_task_name(function.__name__, function.__module__)
    module = _module_of_script() if function.__module__ == "__main__" else function.__module__
    return f"{module}.{function.__name__}"


def _check_task_options(base: type, given: Mapping[str, Any], name: str) -> None:
    for option in given:
        if option not in OPTIONS and not hasattr(base, option):
            raise ImproperlyConfigured(
                f"task {name!r}: unknown option {option!r}{_hint(option, OPTIONS | {'base', 'bind', 'name'})}"
            )


def _check_options(options: Mapping[str, Any]) -> None:
    for option in options:
        if option not in CALL_OPTIONS:
            raise TypeError(f"apply_async() has no option {option!r}{_hint(option, CALL_OPTIONS)}")


def _hint(name: str, known: Iterable[str]) -> str:
    import difflib

    close = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _routing(options: CallOptions) -> dict[str, Any]:
    return {name: value for name in ROUTING if (value := getattr(options, name)) is not None}


def _numbered(call: TaskCall, steps: Sequence[Step]) -> list[Step]:
    numbered = []
    for index, step in enumerate(steps):
        options = dict(step.options)
        if not options.get("task_id"):
            options["task_id"] = str(uuid.uuid5(_FOLLOW_UPS, f"{call.id}:{call.retries}:{index}"))
        numbered.append(Step(step.task, step.args, step.kwargs, options))
    return numbered


def import_object(path: str) -> Any:
    """Import `module:name` or `module.name`. Raises `ImproperlyConfigured` naming the path."""
    module, separator, name = path.rpartition(":")
    if not separator:
        module, separator, name = path.rpartition(".")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as exc:
        raise ImproperlyConfigured(f"cannot import {path!r}: {exc}") from exc


def _import_related(package: str, related: str) -> None:
    name = f"{package}.{related}" if related else package
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as exc:
        # A package without tasks is no error; a tasks module that misses an import is one.
        if exc.name is None or not (name == exc.name or name.startswith(exc.name + ".")):
            raise
        if exc.name == package or package.startswith(exc.name + "."):
            raise


def _module_of_script() -> str:
    script = getattr(sys.modules.get("__main__"), "__file__", None)
    return os.path.splitext(os.path.basename(script))[0] if script else "__main__"


def _forget_connections_after_fork(app: TQ) -> None:
    reference = weakref.ref(app)

    def forget() -> None:
        known = reference()
        if known is None:
            return
        known._oid = new_id()
        for name in ("broker", "backend"):
            connection = known.__dict__.get(name)
            if connection is not None:
                connection.after_fork()

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=forget)
