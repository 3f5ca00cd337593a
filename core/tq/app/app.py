"""The application: settings, tasks, and the connections that they use. It composes; it does no work itself."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, TypeVar, overload

from tq.app import current, django, models
from tq.app.decorators import BoundTaskDecorator, TaskDecorator
from tq.app.make import adopt_task, make_task
from tq.app.modules import import_discovered, module_of_script
from tq.app.options import (
    check_call_options,
    given_options,
)
from tq.app.sending import Sending
from tq.app.task import Task
from tq.canvas.compound import signature_from
from tq.canvas.kinds import kind_of
from tq.canvas.launch import Node
from tq.canvas.signature import Signature
from tq.client.result import AsyncResult
from tq.contracts.broker import Cap
from tq.errors import ImproperlyConfigured, InvalidTask
from tq.plugins.signal import Signal
from tq.records import Delivery, Revocation, TaskMeta
from tq.request import Request, current_request
from tq.wire.call import TaskCall
from tq.wire.exceptions import exception_document, rebuild_exception
from tq.wire.stamps import stamp_keys

if TYPE_CHECKING:
    from typing import Unpack

    from tq.app.control import Control
    from tq.app.keywords import TaskKeywords
    from tq.app.schedules import Schedules
    from tq.app.workflow import Workflow
    from tq.client.groups import ResultSet
    from tq.client.keywords import CallKeywords
    from tq.worker.follow import FollowUp
    from tq.worker.outcome import Outcome

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S", bound=Task[..., Any])

_REVOKED_FOR = 86400.0 * 7


class TQ(Sending):
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
        given = {"broker_url": broker, "result_backend": backend, "include": include}
        settings.update({name: value for name, value in given.items() if value is not None})
        super().__init__(settings, strict=strict_typing)
        self.main = main
        if config_source is not None:
            self.config_from_object(config_source, namespace=namespace)
        self._task_cls = task_cls or django.default_task_class()
        self._discover: list[tuple[Any, str | None]] = []
        self._periodic: dict[str, Mapping[str, Any]] = {}
        self._announced = False
        self.on_after_configure: Signal = Signal("on_after_configure")
        """Sent once, when a worker or beat has imported its modules; receivers get the app as `sender`."""
        self.on_after_finalize: Signal = Signal("on_after_finalize")
        """Sent directly after it: all tasks are known."""
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
        ready = adopt_task(task, self, options)
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
        None: the apps of the Django project that `DJANGO_SETTINGS_MODULE` names, if it does.
        """
        self._discover.append((django.installed_packages if packages is None else packages, related_name))
        if force:
            self._import_discovered()

    def import_modules(self) -> None:
        """Import what `imports`, `include` and `autodiscover_tasks` name. Raises what a module raises."""
        django.fix_up(self)
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
            import_discovered(packages, related)

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

    # -- calling -------------------------------------------------------------------------------------------

    def send(
        self,
        task: Task[..., Any],
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        options: Mapping[str, Any] | None = None,
    ) -> AsyncResult[Any]:
        """Send a task that is known here; `Task.delay` and `Task.apply_async` come here."""
        self.check_arguments(task, args, kwargs)
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

    def send_many(self, signatures: Iterable[Signature], **options: Unpack[CallKeywords]) -> ResultSet:
        """Send signatures of single tasks, a thousand in one publish; `options` go over those of each.

        Raises `ImproperlyConfigured` for groups, chains and chords, and `BrokerError` with a note that says how many
        were accepted before.
        """
        from tq.app.bulk import send_many

        return send_many(self, signatures, options)

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
        if type(task) is not str and isinstance(task, Mapping):
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
        from tq.app.apply import apply_canvas

        return apply_canvas(self, signature, args, kwargs, options)

    def result_of(self, node: Node) -> Any:
        """The result of what is, or will be, sent under these ids."""
        from tq.app import flows

        return flows.result_of(self, node)

    def workflow(self, workflow_id: str) -> Workflow:
        """All that came of the call whose result has this id: seen, cancelled and retried as a whole."""
        from tq.app.workflow import Workflow

        return Workflow(self, workflow_id)

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
        result: AsyncResult[Any] = AsyncResult(self.publish_call(name, task, args, kwargs, given), self)
        asked = given.get("ignore_result")
        if self._ignores(task) if asked is None else asked:
            result.ignored = True
        parent = current_request.get()
        if parent is not None and given.get("add_to_parent", True) and self.has_trail(parent):
            parent.children.append(result.as_tuple())
        return result

    def follow_up(self, call: TaskCall, outcome: Outcome, delivery: Delivery) -> FollowUp:
        """What follows a run: callbacks, the next of its chain, its part in a chord, error callbacks."""
        from tq.app import flows

        return flows.after_run(self, call, outcome, delivery)

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

    def revoke_by_stamped_headers(
        self, headers: Mapping[str, Any], *, terminate: bool = False, signal: str = "SIGTERM"
    ) -> None:
        """The same for all tasks that carry one of these stamps: `{"tenant": ["a", "b"]}`, for a week."""
        if not headers:
            raise InvalidTask('revoke_by_stamped_headers needs stamps, such as {"tenant": ["a", "b"]}')
        self.revoke(stamp_keys(headers), terminate=terminate, signal=signal)

    @cached_property
    def control(self) -> Control:
        """Remote control of the workers: `inspect`, `broadcast`, `ping`, `rate_limit`, `shutdown`, ..."""
        from tq.app.control import Control

        return Control(self)

    def bugreport(self) -> str:
        """Versions and settings, without secrets, as text."""
        from tq.app.bugreport import bugreport

        return bugreport(self)

    def set_current(self) -> None:
        """Make this the current app."""
        current.set_current_app(self)

    set_default = set_current

    def __repr__(self) -> str:
        return f"<TQ {self.main or '__main__'}>"
