"""Signatures made of others: chains, groups, chords, and one call over many items.

Source of names, shapes and rules: Celery 5.7 `celery.canvas`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

from tq.canvas.kinds import header_of, kind_of, pieces_of
from tq.canvas.signature import CanvasApp, Signature
from tq.canvas.stamps import with_stamps
from tq.errors import InvalidTask
from tq.wire.ids import new_id


def signature_from(found: Mapping[str, Any], app: CanvasApp | None = None) -> Signature:
    """The signature that a dictionary describes, of the class that belongs to its kind. Copies it, not deeply."""
    made = _CLASSES.get(kind_of(found), Signature)
    copy = made.__new__(made)
    dict.update(copy, found)
    copy["options"] = dict(found.get("options") or {})
    copy._app = app or getattr(found, "_app", None)
    return copy


def maybe_signature(found: Any, app: CanvasApp | None = None) -> Any:
    """A dictionary as a signature; anything else as it is."""
    if isinstance(found, Signature):
        return found if found._app is not None or app is None else signature_from(found, app)
    return signature_from(found, app) if isinstance(found, Mapping) else found


def _given(tasks: tuple[Any, ...]) -> list[Signature]:
    """What was given one by one, or as one iterable."""
    if len(tasks) == 1 and not isinstance(tasks[0], Mapping):
        if not isinstance(tasks[0], Iterable):
            raise InvalidTask(f"not a signature: {tasks[0]!r:.200}")
        tasks = tuple(tasks[0])
    found = []
    for task in tasks:
        kind_of(task)
        found.append(maybe_signature(task))
    return found


def _app_of(tasks: Iterable[Any]) -> CanvasApp | None:
    return next((task._app for task in tasks if getattr(task, "_app", None) is not None), None)


class _Compound(Signature):
    """Calling one sends it."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.apply_async(args, kwargs)

    def clone(
        self, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None, **options: Any
    ) -> Self:
        copy = super().clone(args, kwargs, **options)
        copy["kwargs"] = {name: _copied(value) for name, value in copy["kwargs"].items()}
        return copy

    def freeze(self, _id: str | None = None) -> Any:
        self["kwargs"] = {name: _copied(value, name_it=True) for name, value in self.kwargs.items()}
        if _id is not None:
            self.options["task_id"] = _id
        return self.app.result_of(self._node())


def _copied(value: Any, *, name_it: bool = False) -> Any:
    """Signatures inside of signatures are copied, so that a clone can be changed; `name_it` gives them ids."""
    if isinstance(value, (list, tuple)) and any(isinstance(item, Signature) for item in value):
        return [_copied(item, name_it=name_it) for item in value]
    if not isinstance(value, Signature):
        return value
    copy = value.clone()
    if name_it and isinstance(copy, _Compound):
        copy["kwargs"] = {name: _copied(each, name_it=True) for name, each in copy.kwargs.items()}
    if name_it and not isinstance(copy, (chain, chord)):
        copy.options.setdefault("task_id", new_id())
    return copy


class chain(_Compound):
    """Tasks one after the other, each with the result of the one before: `chain(a.s(1), b.s())` or `a.s(1) | b.s()`.

    A group that something follows is a chord: what follows gets the list of results.
    """

    def __init__(self, *tasks: Any, app: CanvasApp | None = None, **options: Any) -> None:
        found = _given(tasks)
        super().__init__(
            "celery.chain", (), {"tasks": found}, options, subtask_type="chain", app=app or _app_of(found)
        )

    @property
    def tasks(self) -> list[Signature]:
        """Its steps."""
        return [maybe_signature(task, self._app) for task in self.kwargs.get("tasks") or ()]

    def __repr__(self) -> str:
        return " | ".join(map(repr, self.tasks)) or "chain()"


class group(_Compound):
    """Tasks side by side: `group(a.s(i) for i in range(10))`. Its result is a `GroupResult`."""

    def __init__(self, *tasks: Any, app: CanvasApp | None = None, **options: Any) -> None:
        found = _given(tasks)
        if len(tasks) == 1 and isinstance(tasks[0], group):
            found = tasks[0].tasks
        super().__init__(
            "celery.group", (), {"tasks": found}, options, subtask_type="group", app=app or _app_of(found)
        )

    @property
    def tasks(self) -> list[Signature]:
        """Its members."""
        return [maybe_signature(task, self._app) for task in self.kwargs.get("tasks") or ()]

    def freeze(self, _id: str | None = None) -> Any:
        self.options["task_id"] = _id or self.id or new_id()
        return super().freeze()

    def set_immutable(self, immutable: bool) -> None:
        self._each(lambda task: task.set_immutable(immutable))

    def link(self, callback: Mapping[str, Any]) -> Mapping[str, Any]:
        """Send `callback` when the first member succeeds, as in Celery; to wait for all, use a chord."""
        fixed = signature_from(callback)
        fixed.set_immutable(True)
        tasks = self.tasks
        tasks[0].link(fixed)
        self._put(tasks)
        return callback

    def link_error(self, errback: Mapping[str, Any]) -> tuple[Any, ...]:
        """Send `errback` for each member that fails."""
        tasks = self.tasks
        found = tuple(task.link_error(errback) for task in tasks)
        self._put(tasks)
        return found

    def skew(self, start: float = 1.0, stop: float | None = None, step: float = 1.0) -> Self:
        """Start the members one after the other: the first `start` seconds from the call, each next `step` later,
        none later than `stop`."""
        tasks = self.tasks
        for number, task in enumerate(tasks):
            wait = start + number * step
            task.set(countdown=wait if stop is None else min(wait, stop))
        self._put(tasks)
        return self

    def _each(self, change: Any) -> None:
        tasks = self.tasks
        for task in tasks:
            change(task)
        self._put(tasks)

    def _put(self, tasks: list[Signature]) -> None:
        self["kwargs"] = {**self.kwargs, "tasks": tasks}

    def __repr__(self) -> str:
        return f"group({', '.join(map(repr, self.tasks))})"


class chord(_Compound):
    """A group and what follows it: `chord(a.s(i) for i in range(10))(total.s())`, or with the body as second
    argument. The body gets the list of results; where a member fails it gets none, and fails with `ChordError`.
    """

    def __init__(
        self,
        header: Any,
        body: Mapping[str, Any] | None = None,
        *,
        app: CanvasApp | None = None,
        **options: Any,
    ) -> None:
        members: Any = header if isinstance(header, group) else group(header)
        end = None if body is None else maybe_signature(body)
        super().__init__(
            "celery.chord",
            (),
            {"header": members, "body": end, "kwargs": {}},
            options,
            subtask_type="chord",
            app=app or members._app or _app_of([end]),
        )

    @property
    def tasks(self) -> list[Signature]:
        """The members of its header."""
        return [maybe_signature(task, self._app) for task in header_of(self)["kwargs"]["tasks"]]

    @property
    def body(self) -> Signature | None:
        """What follows."""
        found: Signature | None = maybe_signature(self.kwargs.get("body"), self._app)
        return found

    def __call__(self, body: Mapping[str, Any] | None = None, **options: Any) -> Any:
        """Send it, with this body where it has none yet."""
        return (
            self._with_body(body).apply_async(**options) if body is not None else self.apply_async(**options)
        )

    def _with_body(self, body: Mapping[str, Any] | None) -> Self:
        copy = self.clone()
        copy["kwargs"] = {**copy.kwargs, "body": maybe_signature(body)}
        copy._app = copy._app or _app_of([body])
        return copy

    def freeze(self, _id: str | None = None) -> Any:
        header = signature_from(header_of(self), self._app)
        header.options.setdefault("task_id", new_id())
        self["kwargs"] = {**self.kwargs, "header": header}
        return super().freeze(_id)

    def link(self, callback: Mapping[str, Any]) -> Mapping[str, Any]:
        """Send `callback` when the body succeeds."""
        self._change_body("link", callback)
        return callback

    def link_error(self, errback: Mapping[str, Any]) -> Any:
        """Send `errback` when the body fails, which it does when a member fails."""
        return self._change_body("link_error", errback)

    def _change_body(self, what: str, callback: Mapping[str, Any]) -> Any:
        body = self.body
        if body is None:
            raise InvalidTask(f"a chord without a body has nothing to link to: {self!r:.200}")
        found = getattr(body, what)(callback)
        self["kwargs"] = {**self.kwargs, "body": body}
        return found

    def set_immutable(self, immutable: bool) -> None:
        """Of the members; the body always gets their results."""
        members = signature_from(header_of(self), self._app)
        members.set_immutable(immutable)
        self["kwargs"] = {**self.kwargs, "header": members}

    def __length_hint__(self) -> int:
        return sum(1 for _ in self.tasks)

    def __repr__(self) -> str:
        return f"chord({', '.join(map(repr, self.tasks))})({self.body!r})"


class _Mapped(_Compound):
    """One call that runs its task for each item, in one message."""

    _task = ""

    def __init__(
        self, task: Mapping[str, Any], it: Iterable[Any], *, app: CanvasApp | None = None, **options: Any
    ) -> None:
        kwargs = {"task": maybe_signature(task), "it": list(it)}
        super().__init__(self._task, (), kwargs, options, immutable=True, app=app or _app_of([task]))

    def clone(
        self, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None, **options: Any
    ) -> Self:
        copy = self._like(self)
        copy["options"] = with_stamps(self.options, options)
        return copy

    def freeze(self, _id: str | None = None) -> Any:
        return Signature.freeze(self, _id)


class xmap(_Mapped):
    """`[task(item) for item in it]` as one task: `task.map(it)`."""

    _task = "celery.map"


class xstarmap(_Mapped):
    """`[task(*item) for item in it]` as one task: `task.starmap(it)`."""

    _task = "celery.starmap"


class chunks(_Mapped):
    """A group whose members each run `n` of the items: `task.chunks(it, n)`."""

    _task = "celery.chunks"

    def __init__(
        self,
        task: Mapping[str, Any],
        it: Iterable[Any],
        n: int,
        *,
        app: CanvasApp | None = None,
        **options: Any,
    ) -> None:
        super().__init__(task, it, app=app, **options)
        self["kwargs"] = {**self.kwargs, "n": n}

    @classmethod
    def apply_chunks(
        cls, task: Mapping[str, Any], it: Iterable[Any], n: int, app: CanvasApp | None = None
    ) -> Any:
        """Send the group of these chunks."""
        return cls(task, it, n, app=app).apply_async()

    def group(self) -> group:
        """The group that it is."""
        made = signature_from(pieces_of(self), self._app)
        assert isinstance(made, group)
        return made

    def freeze(self, _id: str | None = None) -> Any:
        return self.group().freeze(_id)


_CLASSES: dict[str, type[Signature]] = {"chain": chain, "group": group, "chord": chord, "chunks": chunks}


def in_sequence(first: Signature, then: Signature) -> chain | chord:
    """`first | then`, in the class that Celery gives it: a chord where a group comes before something."""
    app = first._app or then._app
    if isinstance(first, group) and not (isinstance(then, group) and not then.tasks):
        return chord(first, then, app=app)
    if isinstance(first, chord) and first.body is not None and not first.options:
        copy = first.clone()
        copy["kwargs"] = {**copy.kwargs, "body": first.body | then}
        return copy
    return chain(*_parts(first), *_parts(then), app=app)


def _parts(signature: Signature) -> list[Signature]:
    """The steps of a chain about which nothing more is said, or the signature itself."""
    if isinstance(signature, chain) and not signature.options and not signature.args:
        return signature.tasks
    return [signature]


def upgraded(steps: Sequence[Signature]) -> list[Signature]:
    """The steps of a chain with chords in the place of groups that something follows, as Celery's chains hold them."""
    found: list[Signature] = []
    for step in steps:
        last = found[-1] if found else None
        if (
            isinstance(last, group)
            and len(last.tasks) > 1
            and not isinstance(step, group)
            or (
                isinstance(last, chord)
                and last.body is not None
                and not last.options
                and kind_of(step) != "chord"
            )
        ):
            found[-1] = in_sequence(last, step)
        else:
            found.append(step)
    return found
