"""A call as data: which task, which arguments, which options; to be sent now, later, or by somebody else.

A signature is a dictionary of Celery's shape, so it travels in messages as it is:
{"task", "args", "kwargs", "options", "subtask_type", "immutable"}. Source: Celery 5.7 `celery.canvas`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tq.errors import ImproperlyConfigured

Send = Callable[["Signature", Sequence[Any], Mapping[str, Any], Mapping[str, Any]], Any]


class Signature(dict[str, Any]):
    """One call. `send` is how it is sent; a signature read from a message has none until it is given one."""

    send: Send | None = None

    def __init__(
        self,
        task: str | Mapping[str, Any],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
        *,
        immutable: bool = False,
        subtask_type: str | None = None,
        send: Send | None = None,
    ) -> None:
        if isinstance(task, Mapping):
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
        self.send = send

    @property
    def task(self) -> str:
        """The task's name."""
        return str(self["task"])

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

    def clone(
        self,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> Signature:
        """A copy with more arguments: new positional ones come first."""
        copy = Signature(dict(self), send=self.send)
        copy["options"] = {**self.options, **options}
        copy["args"] = tuple(self.args) if self.immutable else (*args, *self.args)
        copy["kwargs"] = dict(self.kwargs) if self.immutable else {**self.kwargs, **(kwargs or {})}
        return copy

    def set(self, immutable: bool | None = None, **options: Any) -> Signature:
        """Add calling options, in place."""
        if immutable is not None:
            self["immutable"] = immutable
        self.options.update(options)
        return self

    def link(self, callback: Mapping[str, Any]) -> Mapping[str, Any]:
        """Send `callback` with the result when the task succeeds."""
        self._add("link", callback)
        return callback

    def link_error(self, errback: Mapping[str, Any]) -> Mapping[str, Any]:
        """Send `errback` with the task's id when it fails."""
        self._add("link_error", errback)
        return errback

    def _add(self, option: str, callback: Mapping[str, Any]) -> None:
        there = self.options.get(option) or []
        # A new list: clones share the old one.
        self.options[option] = [*([there] if isinstance(there, Mapping) else there), callback]

    def on_error(self, errback: Mapping[str, Any]) -> Signature:
        """`link_error` that returns the signature itself."""
        self.link_error(errback)
        return self

    def apply_async(
        self, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None, **options: Any
    ) -> Any:
        """Send it, with more arguments and options; returns its `AsyncResult`."""
        if self.send is None:
            raise ImproperlyConfigured(
                f"the signature of {self.task!r} belongs to no app; use app.signature(...) or task.s(...)"
            )
        return self.send(self, args, kwargs or {}, options)

    def delay(self, *args: Any, **kwargs: Any) -> Any:
        """Send it, with more arguments; returns its `AsyncResult`."""
        return self.apply_async(args, kwargs)

    def __repr__(self) -> str:
        parts = [repr(arg) for arg in self.args] + [f"{k}={v!r}" for k, v in self.kwargs.items()]
        return f"{self.task}({', '.join(parts)})"
