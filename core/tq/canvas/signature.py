"""A call as data: which task, which arguments, which options; to be sent now, later, or by somebody else.

A signature is a dictionary of Celery's shape, so it travels in messages as it is:
{"task", "args", "kwargs", "options", "subtask_type", "immutable"}. Source: Celery 5.7 `celery.canvas`.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, Self

from tq.canvas.flow import flow_of, name_all
from tq.canvas.kinds import many
from tq.canvas.launch import Node, node_of
from tq.canvas.stamps import with_stamps
from tq.errors import ImproperlyConfigured
from tq.wire.ids import new_id

if TYPE_CHECKING:
    from tq.canvas.compound import chain, chord
    from tq.canvas.stamping import StampingVisitor


class CanvasApp(Protocol):
    """What a signature needs of its app."""

    def send_signature(
        self, signature: Signature, args: Sequence[Any], kwargs: Mapping[str, Any], options: Mapping[str, Any]
    ) -> Any:
        """Send it; its result."""

    def apply_signature(
        self, signature: Signature, args: Sequence[Any], kwargs: Mapping[str, Any], options: Mapping[str, Any]
    ) -> Any:
        """Run it here; its result."""

    def result_of(self, node: Node) -> Any:
        """The result of what is sent later."""

    def task_named(self, name: str) -> Any:
        """A task by name."""


class Signature(dict[str, Any]):
    """One call. `app` sends it; a signature read from a message has none until it is given one.

    `a | b` makes a chain. `dict(signature)` is all there is to it, so it can be kept as JSON.
    """

    def __init__(
        self,
        task: str | Mapping[str, Any],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
        *,
        immutable: bool = False,
        subtask_type: str | None = None,
        app: CanvasApp | None = None,
    ) -> None:
        if type(task) is not str and isinstance(task, Mapping):
            super().__init__(task)
        else:
            super().__init__(
                task=task,
                args=tuple(args),
                kwargs=dict(kwargs or {}),
                options=dict(options or {}),
                subtask_type=subtask_type,
                immutable=immutable,
            )
        self._app = app

    # -- what it is ----------------------------------------------------------------------------------------

    @classmethod
    def from_dict(cls, d: Mapping[str, Any], app: CanvasApp | None = None) -> Signature:
        """The signature that a dictionary describes, of the class that belongs to its kind."""
        from tq.canvas.compound import signature_from

        return signature_from(d, app)

    @property
    def type(self) -> Any:
        """The task itself. Raises `NotRegistered` where the app does not know it."""
        return self.app.task_named(self.task)

    @property
    def subtask_type(self) -> str | None:
        """ "chain", "group", "chord", or None for a single call."""
        found: str | None = self.get("subtask_type")
        return found

    @property
    def task(self) -> str:
        """The task's name."""
        return str(self["task"])

    name = task

    @property
    def id(self) -> str | None:
        """The id that it will have, where that is settled already."""
        found: str | None = self.options.get("task_id")
        return found

    @property
    def args(self) -> Sequence[Any]:
        """Positional arguments."""
        return self.get("args") or ()

    @property
    def kwargs(self) -> Mapping[str, Any]:
        """Keyword arguments."""
        return self.get("kwargs") or {}

    @property
    def options(self) -> dict[str, Any]:
        """Calling options, as `apply_async` takes them."""
        return self.setdefault("options", {})  # type: ignore[no-any-return]

    @property
    def immutable(self) -> bool:
        """Whether it ignores the result of the task before it."""
        return bool(self.get("immutable"))

    @property
    def app(self) -> CanvasApp:
        """The app that sends it. Raises `ImproperlyConfigured` where none is known."""
        if self._app is None:
            raise ImproperlyConfigured(
                f"the signature of {self.task!r} belongs to no app; use app.signature(...) or task.s(...)"
            )
        return self._app

    # -- making others of it -------------------------------------------------------------------------------

    def clone(
        self,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> Self:
        """A copy with more arguments: new positional ones come first."""
        copy = self._like(self)
        copy["options"] = with_stamps(self.options, options)
        copy["args"] = tuple(self.args) if self.immutable else (*args, *self.args)
        copy["kwargs"] = dict(self.kwargs) if self.immutable else {**self.kwargs, **(kwargs or {})}
        return copy

    partial = clone

    def replace(
        self,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> Self:
        """A copy with other arguments or options; None keeps what there is."""
        copy = self.clone()
        given = {"args": args, "kwargs": kwargs, "options": options}
        copy.update({name: value for name, value in given.items() if value is not None})
        return copy

    def set(self, immutable: bool | None = None, **options: Any) -> Self:
        """Add calling options, in place."""
        if immutable is not None:
            self.set_immutable(immutable)
        self.options.update(options)
        return self

    def set_immutable(self, immutable: bool) -> None:
        """Whether to ignore the result of the task before it."""
        self["immutable"] = immutable

    def freeze(self, _id: str | None = None) -> Any:
        """Settle its id now, in place; returns the result that it will have."""
        if _id is not None or self.id is None:
            self.options["task_id"] = _id or new_id()
        return self.app.result_of(self._node())

    def _node(self) -> Node:
        flow = flow_of(self)
        name_all(flow, new_id)
        return node_of(flow)

    def _like(self, content: Mapping[str, Any]) -> Self:
        made = type(self).__new__(type(self))
        dict.update(made, content)
        made._app = self._app
        return made

    def __or__(self, other: Any) -> chain | chord:  # type: ignore[override]
        from tq.canvas.compound import in_sequence

        return in_sequence(self, other) if isinstance(other, Signature) else NotImplemented

    __ior__ = __or__

    # -- what follows it -----------------------------------------------------------------------------------

    def link(self, callback: Mapping[str, Any]) -> Mapping[str, Any]:
        """Send `callback` with the result when the task succeeds."""
        self.append_to_list_option("link", callback)
        return callback

    def link_error(self, errback: Mapping[str, Any]) -> Any:
        """Send `errback` when it fails, with the task's id; or call it in the worker with (request, exc,
        traceback), where it is a task of this app that takes more than one argument."""
        self.append_to_list_option("link_error", errback)
        return errback

    def on_error(self, errback: Mapping[str, Any]) -> Self:
        """`link_error` that returns the signature itself."""
        self.link_error(errback)
        return self

    def append_to_list_option(self, key: str, value: Any) -> Any:
        """Add a value to an option that is a list, unless it is there."""
        there = many(self.options.get(key))
        if value not in there:
            # A new list: clones share the old one.
            self.options[key] = [*there, value]
        return value

    def extend_list_option(self, key: str, value: Any) -> None:
        """Add one value or several to an option that is a list."""
        self.options[key] = [*many(self.options.get(key)), *many(value)]

    def flatten_links(self) -> list[Any]:
        """It, its callbacks, and theirs."""
        found: list[Any] = [self]
        for link in many(self.options.get("link")):
            found += Signature(link, app=self._app).flatten_links()
        return found

    # -- stamps --------------------------------------------------------------------------------------------

    def stamp(
        self, visitor: StampingVisitor | None = None, append_stamps: bool = False, **headers: Any
    ) -> Self:
        """Stamp it, its callbacks and all in it with headers: these, and what `visitor` says of each. Tasks read
        them as `self.request.stamps`. A stamp that is there is replaced, or with `append_stamps` made a list."""
        from tq.canvas.stamping import stamp

        stamp(self, visitor, append_stamps, headers)
        return self

    def stamp_links(
        self, visitor: StampingVisitor | None = None, append_stamps: bool = False, **headers: Any
    ) -> Self:
        """Stamp its callbacks and error callbacks alone."""
        from tq.canvas.stamping import stamp_links

        stamp_links(self, visitor, append_stamps, headers)
        return self

    # -- sending it ----------------------------------------------------------------------------------------

    def apply_async(
        self, args: Sequence[Any] | None = None, kwargs: Mapping[str, Any] | None = None, **options: Any
    ) -> Any:
        """Send it, with more arguments and options; returns its result."""
        return self.app.send_signature(self, args or (), kwargs or {}, options)

    def delay(self, *args: Any, **kwargs: Any) -> Any:
        """Send it, with more arguments; returns its result."""
        return self.apply_async(args, kwargs)

    async def aapply_async(
        self, args: Sequence[Any] | None = None, kwargs: Mapping[str, Any] | None = None, **options: Any
    ) -> Any:
        """`apply_async` for async code."""
        import asyncio  # not at the top: a third of the time that importing tq takes

        return await asyncio.to_thread(self.app.send_signature, self, args or (), kwargs or {}, options)

    async def adelay(self, *args: Any, **kwargs: Any) -> Any:
        """`delay` for async code."""
        return await self.aapply_async(args, kwargs)

    def apply(
        self, args: Sequence[Any] | None = None, kwargs: Mapping[str, Any] | None = None, **options: Any
    ) -> Any:
        """Run it here, without broker and worker; returns its result."""
        return self.app.apply_signature(self, args or (), kwargs or {}, options)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the body here and now, as the plain function that it is; composite signatures are sent instead."""
        ready = self.clone(args, kwargs)
        return self.type(*ready.args, **ready.kwargs)

    def __invert__(self) -> Any:
        """`~signature`: send it and wait for the result."""
        return self.delay().get()

    def __await__(self) -> Generator[Any, None, Any]:
        return self._sent_and_awaited().__await__()

    async def _sent_and_awaited(self) -> Any:
        return await (await self.adelay())

    # ------------------------------------------------------------------------------------------------------

    def __reduce__(self) -> Any:
        from tq.canvas.compound import signature_from

        return signature_from, (dict(self),)

    def __repr__(self) -> str:
        parts = [repr(arg) for arg in self.args] + [f"{k}={v!r}" for k, v in self.kwargs.items()]
        return f"{self.task}({', '.join(parts)})"
