"""A task: a function with a name and options, that can be called here or sent to a worker."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, overload

from tq.app.options import OWN_CALL_OPTIONS
from tq.canvas.compound import chunks, xmap, xstarmap
from tq.canvas.signature import Signature
from tq.client.result import AsyncResult, EagerResult
from tq.errors import BrokerUnavailable, ImproperlyConfigured, MaxRetriesExceeded, Retry
from tq.policy.backoff import backoff
from tq.request import Request, current_request
from tq.wire.call import TaskCall

if TYPE_CHECKING:
    from typing import Unpack

    from tq.app.app import TQ
    from tq.client.groups import ResultSet
    from tq.client.keywords import CallKeywords, RetryKeywords

P = ParamSpec("P")
R_co = TypeVar("R_co", covariant=True)
T = TypeVar("T")
_DIRECT = TaskCall(id="", task="")


class Task(Generic[P, R_co]):
    """Base of all tasks; class-based tasks derive from it, define `run`, and are given to `register_task`.

    Attributes are options, by Celery's names. None means: as the setting of that name says. Durations are
    seconds. One instance serves all calls, so nothing of a call belongs into its attributes.
    """

    name: str = ""
    bind: bool = False
    typing: bool = True
    max_retries: int | None = 3
    default_retry_delay: float = 180
    autoretry_for: tuple[type[BaseException], ...] = ()
    dont_autoretry_for: tuple[type[BaseException], ...] = ()
    retry_kwargs: Mapping[str, Any] = {}
    retry_backoff: bool | float = False
    retry_backoff_max: float = 600
    retry_jitter: bool = True
    throws: tuple[type[BaseException], ...] = ()
    ignore_result: bool | None = None
    store_errors_even_if_ignored: bool | None = None
    acks_late: bool | None = None
    acks_on_failure_or_timeout: bool | None = None
    reject_on_worker_lost: bool | None = None
    track_started: bool | None = None
    time_limit: float | None = None
    soft_time_limit: float | None = None
    rate_limit: str | float | None = None
    queue: str | None = None
    exchange: str | None = None
    routing_key: str | None = None
    priority: int | None = None
    expires: Any = None
    serializer: str | None = None
    compression: str | None = None
    unique_for: float | None = None
    unique_key: str | Callable[..., str] | None = None
    trail: bool = True
    pydantic: bool = False
    pydantic_strict: bool = False
    pydantic_context: Mapping[str, Any] | None = None
    pydantic_dump_kwargs: Mapping[str, Any] | None = None

    MaxRetriesExceededError = MaxRetriesExceeded
    OperationalError = BrokerUnavailable

    _app: TQ | None = None
    _check: Callable[..., None] | None = None

    # -- what a task does ------------------------------------------------------------------------------------

    def run(self, *args: Any, **kwargs: Any) -> Any:
        """The body; class-based tasks define it."""
        raise NotImplementedError(f"task {self.name!r} defines no run()")

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Call the body here and now, as the plain function that it is."""
        value: R_co = self.run(*args, **kwargs)
        return value

    def before_start(self, task_id: str, args: Any, kwargs: Any) -> None:
        """Called in the worker before the body."""

    def on_success(self, retval: Any, task_id: str, args: Any, kwargs: Any) -> None:
        """Called in the worker when the body returned."""

    def on_failure(self, exc: BaseException, task_id: str, args: Any, kwargs: Any, einfo: Any) -> None:
        """Called in the worker when the task failed; `str(einfo)` is the traceback."""

    def on_retry(self, exc: BaseException, task_id: str, args: Any, kwargs: Any, einfo: Any) -> None:
        """Called in the worker when the task is to be retried."""

    def after_return(
        self, status: str, retval: Any, task_id: str, args: Any, kwargs: Any, einfo: Any
    ) -> None:
        """Called in the worker after each run, with its state and its value or exception."""

    # -- sending it -----------------------------------------------------------------------------------------

    @overload
    def delay(self: Task[P, Coroutine[Any, Any, T]], *args: P.args, **kwargs: P.kwargs) -> AsyncResult[T]: ...
    @overload
    def delay(self: Task[P, T], *args: P.args, **kwargs: P.kwargs) -> AsyncResult[T]: ...
    def delay(self, *args: Any, **kwargs: Any) -> AsyncResult[Any]:
        """Send the task with these arguments. Raises `BrokerUnavailable` when the publish deadline is over."""
        return self.app.send(self, args, kwargs)

    @overload
    async def adelay(
        self: Task[P, Coroutine[Any, Any, T]], *args: P.args, **kwargs: P.kwargs
    ) -> AsyncResult[T]: ...
    @overload
    async def adelay(self: Task[P, T], *args: P.args, **kwargs: P.kwargs) -> AsyncResult[T]: ...
    async def adelay(self, *args: Any, **kwargs: Any) -> AsyncResult[Any]:
        """`delay` for async code: the loop goes on while the broker answers."""
        import asyncio  # not at the top: a third of the time that importing tq takes

        return await asyncio.to_thread(self.app.send, self, args, kwargs)

    @overload
    def apply_async(
        self: Task[..., Coroutine[Any, Any, T]],
        args: Sequence[Any] | None = ...,
        kwargs: Mapping[str, Any] | None = ...,
        **options: Unpack[CallKeywords],
    ) -> AsyncResult[T]: ...
    @overload
    def apply_async(
        self: Task[..., T],
        args: Sequence[Any] | None = ...,
        kwargs: Mapping[str, Any] | None = ...,
        **options: Unpack[CallKeywords],
    ) -> AsyncResult[T]: ...
    def apply_async(
        self, args: Sequence[Any] | None = None, kwargs: Mapping[str, Any] | None = None, **options: Any
    ) -> AsyncResult[Any]:
        """Send the task with options (`CallOptions`): countdown, eta, expires, priority, queue, routing_key,
        task_id, headers, link, link_error, retry, retry_policy, time_limit, soft_time_limit, serializer,
        compression, ignore_result, and rarer ones.

        Raises `TypeError` for arguments that do not fit the task or options that do not exist,
        `EncodeError`, and `BrokerUnavailable` when the publish deadline is over.
        """
        return self.app.send(self, args or (), kwargs or {}, options)

    @overload
    async def aapply_async(
        self: Task[..., Coroutine[Any, Any, T]],
        args: Sequence[Any] | None = ...,
        kwargs: Mapping[str, Any] | None = ...,
        **options: Unpack[CallKeywords],
    ) -> AsyncResult[T]: ...
    @overload
    async def aapply_async(
        self: Task[..., T],
        args: Sequence[Any] | None = ...,
        kwargs: Mapping[str, Any] | None = ...,
        **options: Unpack[CallKeywords],
    ) -> AsyncResult[T]: ...
    async def aapply_async(
        self, args: Sequence[Any] | None = None, kwargs: Mapping[str, Any] | None = None, **options: Any
    ) -> AsyncResult[Any]:
        """`apply_async` for async code."""
        import asyncio

        return await asyncio.to_thread(self.app.send, self, args or (), kwargs or {}, options)

    def map_async(self, items: Iterable[Any], **options: Unpack[CallKeywords]) -> ResultSet:
        """Call the task once for each item, as its only argument: one message each, a thousand in one publish.

        With the options of `apply_async` that can be the same for all. Raises as `apply_async`; a `BrokerError`
        carries a note that says how many calls were accepted before.
        """
        return self.starmap_async(((item,) for item in items), **options)

    def starmap_async(self, calls: Iterable[Sequence[Any]], **options: Unpack[CallKeywords]) -> ResultSet:
        """`map_async` for items that are whole lists of arguments."""
        from tq.app.bulk import send_each

        return send_each(self.app, self, calls, options)

    @overload
    def apply(
        self: Task[..., Coroutine[Any, Any, T]],
        args: Sequence[Any] | None = ...,
        kwargs: Mapping[str, Any] | None = ...,
        *,
        throw: bool | None = ...,
        **options: Unpack[CallKeywords],
    ) -> EagerResult[T]: ...
    @overload
    def apply(
        self: Task[..., T],
        args: Sequence[Any] | None = ...,
        kwargs: Mapping[str, Any] | None = ...,
        *,
        throw: bool | None = ...,
        **options: Unpack[CallKeywords],
    ) -> EagerResult[T]: ...
    def apply(
        self,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        *,
        throw: bool | None = None,
        **options: Any,
    ) -> EagerResult[Any]:
        """Run the task here, with all that a worker does around it but the stores; `throw` raises what the
        task raises."""
        from tq.app.eager import apply
        from tq.app.options import check_call_options

        check_call_options(options)
        return apply(self.app, self, args or (), kwargs or {}, options, throw=throw)

    def s(self, *args: Any, **kwargs: Any) -> Signature:
        """A signature of this task: the call as data."""
        return self.signature(args, kwargs)

    def si(self, *args: Any, **kwargs: Any) -> Signature:
        """An immutable signature: it takes no result of a task before it."""
        return self.signature(args, kwargs, immutable=True)

    def signature(
        self,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        immutable: bool = False,
        **options: Unpack[CallKeywords],
    ) -> Signature:
        """A signature with calling options."""
        return self.app.signature(self.name, args, kwargs, immutable=immutable, **options)

    subtask = signature

    def map(self, it: Iterable[Any]) -> xmap:
        """One message that runs the task for each item; its result is the list of results."""
        return xmap(self.s(), it)

    def starmap(self, it: Iterable[Sequence[Any]]) -> xstarmap:
        """`map` with several arguments for each run."""
        return xstarmap(self.s(), it)

    def chunks(self, it: Iterable[Sequence[Any]], n: int) -> chunks:
        """A group of messages that each run the task for `n` items of arguments."""
        return chunks(self.s(), it, n)

    # -- from inside ----------------------------------------------------------------------------------------

    @property
    def app(self) -> TQ:
        """The app this task belongs to; shared tasks belong to the current one."""
        if self._app is not None:
            return self._app
        from tq.app.current import get_current_app

        return get_current_app()

    @property
    def request(self) -> Request:
        """The run that is going on; outside of one, an empty request with `called_directly`."""
        request = current_request.get()
        if request is not None and request.task == self.name:
            return request
        return Request(_DIRECT, called_directly=True)

    @property
    def backend(self) -> Any:
        """The app's result backend, or None."""
        return self.app.backend

    @overload
    def AsyncResult(self: Task[..., Coroutine[Any, Any, T]], task_id: str) -> AsyncResult[T]: ...
    @overload
    def AsyncResult(self: Task[..., T], task_id: str) -> AsyncResult[T]: ...
    def AsyncResult(self, task_id: str) -> AsyncResult[Any]:
        """The result of a call of this task, by id."""
        return AsyncResult(task_id, self.app)

    def update_state(
        self, task_id: str | None = None, state: str | None = None, meta: Any = None, **fields: Any
    ) -> None:
        """Store a state of your own ("PROGRESS") with any value as its meta, at once.

        Without a result backend nothing is stored, and none would be read.
        """
        self.app.store_state(task_id or self.request.id, state or "", meta, self.request, fields)

    def retry(
        self,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        exc: BaseException | None = None,
        throw: bool = True,
        eta: Any = None,
        countdown: float | None = None,
        max_retries: int | None = None,
        **options: Unpack[RetryKeywords],
    ) -> Retry:
        """End this run and run the task again, by default after `default_retry_delay` seconds.

        `args` and `kwargs` replace those of this run, `options` what else its message said. The next attempt
        is put into the broker together with the acknowledgement of this one. Raises `Retry` (or returns it
        with `throw=False`); with no retries left `exc`, or `MaxRetriesExceeded`. Called outside of a worker
        it raises `exc`.
        """
        request = self.request
        if request.called_directly:
            raise exc or Retry("a task that was called directly cannot be retried")
        limit = self.max_retries if max_retries is None else max_retries
        if limit is not None and request.retries >= limit:
            raise exc or MaxRetriesExceeded(
                f"task {self.name}[{request.id}] was retried {request.retries} times and may not be again",
                task_args=request.args,
                task_kwargs=request.kwargs,
            )
        if countdown is None and eta is None:
            countdown = self.default_retry_delay
        request.follow_ups.append(self.app.next_attempt(self, request, args, kwargs, countdown, eta, options))
        retry = Retry(exc=exc, when=eta if countdown is None else countdown)
        if throw:
            raise retry from exc
        return retry

    def replace(self, signature: Mapping[str, Any]) -> Any:
        """End this run, and let a signature take the task's place: its result becomes this task's, and what
        follows this task follows it. Raises `Ignore`; in eager runs it returns the value.

        Raises `ImproperlyConfigured` for a signature that belongs to a chord already.
        """
        if self.request.called_directly:
            raise ImproperlyConfigured(f"task {self.name} was called directly, so nothing can replace it")
        if (signature.get("options") or {}).get("chord"):
            raise ImproperlyConfigured("what replaces a task must not belong to a chord already")
        return self.on_replace(self.app.signature(signature))

    def on_replace(self, sig: Signature) -> Any:
        """Called by `replace` with what takes the task's place; define it to change that, for example to stamp it,
        and return `super().on_replace(sig)`."""
        from tq.app import flows

        if self.request.is_eager:
            return sig.apply().get(disable_sync_subtasks=False)
        raise flows.replace_task(self.app, self.request, sig)

    def add_to_chord(self, signature: Mapping[str, Any], lazy: bool = False) -> Any:
        """Add a member to the chord that this task is a member of; its result, or with `lazy` the signature, to
        be sent before this run ends. Raises `ValueError` for a task of no chord."""
        from tq.app import flows

        return flows.grow_chord(self.app, self.request, signature, lazy)

    def autoretry(self, exc: BaseException) -> BaseException:
        """What an exception of the body becomes under `autoretry_for`: a `Retry`, or what is to be raised."""
        if not isinstance(exc, self.autoretry_for) or isinstance(exc, self.dont_autoretry_for):
            return exc
        options = dict(self.retry_kwargs)
        if self.retry_backoff:
            options["countdown"] = backoff(
                self.request.retries,
                factor=1.0 if self.retry_backoff is True else float(self.retry_backoff),
                maximum=self.retry_backoff_max,
                jitter=self.retry_jitter,
            )
        try:
            return self.retry(exc=exc, throw=False, **options)
        except BaseException as end:  # noqa: BLE001 - retry raises what it was given
            return end

    # ------------------------------------------------------------------------------------------------------

    def send_event(self, type_: str, **fields: Any) -> None:
        """Send an event of one's own to monitors (`task-progress`, ...); its `uuid` is the running task's id.

        Takes no time: it is sent with others. Raises `ImproperlyConfigured` where the broker cannot broadcast.
        """
        request = self.request
        dispatcher = self.app.events.dispatcher(request.hostname or None)
        if request.tq_way is not None:
            request.tq_way.speak()
        dispatcher.send(type_, **{"uuid": request.id, **fields})

    def call_options(self) -> Mapping[str, Any]:
        """Calling options that this task sets for all its calls."""
        return {name: value for name in OWN_CALL_OPTIONS if (value := getattr(self, name)) is not None}

    def __repr__(self) -> str:
        return f"<Task {self.name}>"
