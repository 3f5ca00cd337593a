"""One of Celery's signals: a list of receivers, to which anybody may connect at any time."""

from __future__ import annotations

import logging
import threading
import weakref
from collections.abc import Callable, Hashable
from typing import Any, TypeVar, overload

import msgspec

from tq.errors import PluginError, SoftTimeLimitExceeded

Receiver = TypeVar("Receiver", bound=Callable[..., Any])

_log = logging.getLogger("tq.signals")


class _Connection(msgspec.Struct, frozen=True):
    key: tuple[Hashable, ...]
    sender: object
    resolve: Callable[[], Callable[..., Any] | None]


class Signal:
    """Receivers are called with `signal=`, `sender=` and the signal's own keyword arguments."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._lock = threading.Lock()
        # Replaced, never changed: sending takes no lock.
        self._connections: tuple[_Connection, ...] = ()
        self._watchers: set[weakref.WeakMethod[Callable[[], None]]] = set()

    @overload
    def connect(
        self,
        receiver: Receiver,
        sender: object = None,
        weak: bool = False,
        dispatch_uid: Hashable = None,
    ) -> Receiver: ...

    @overload
    def connect(
        self,
        receiver: None = None,
        sender: object = None,
        weak: bool = False,
        dispatch_uid: Hashable = None,
    ) -> Callable[[Receiver], Receiver]: ...

    def connect(
        self,
        receiver: Any = None,
        sender: object = None,
        weak: bool = False,
        dispatch_uid: Hashable = None,
    ) -> Any:
        """Call `receiver` from now on; without one this is a decorator. Returns the receiver.

        With `sender` (a task or its name) only for that one. Connecting the same receiver, or the same
        `dispatch_uid`, for the same sender again does nothing. Unlike Celery's, receivers are held strongly
        unless `weak` is asked for, so that a function defined inside another one is not lost.
        Raises `PluginError` for a receiver that is async or does not take keyword arguments.
        """
        if receiver is None:
            return lambda function: self.connect(function, sender, weak, dispatch_uid)
        _check(self.name, receiver)
        connection = _Connection(
            _key(receiver, sender, dispatch_uid), sender, _weak(receiver) if weak else lambda: receiver
        )
        with self._lock:
            living = self._living()
            if all(other.key != connection.key for other in living):
                living = (*living, connection)
            self._connections = living
            watchers = tuple(self._watchers)
        for watcher in watchers:
            told = watcher()
            if told is not None:
                told()
        return receiver

    def watch(self, method: Callable[[], None]) -> None:
        """Call this method, as long as its object lives, each time that a receiver was connected: for those who
        leave out work that nobody hears of."""
        with self._lock:
            self._watchers = {watcher for watcher in self._watchers if watcher() is not None}
            self._watchers.add(weakref.WeakMethod(method))

    def disconnect(
        self, receiver: Callable[..., Any] | None = None, sender: object = None, dispatch_uid: Hashable = None
    ) -> bool:
        """Forget the receiver that was connected with these very arguments; False if there was none."""
        key = _key(receiver, sender, dispatch_uid)
        with self._lock:
            living = self._living()
            self._connections = tuple(connection for connection in living if connection.key != key)
            return len(self._connections) < len(living)

    @property
    def receivers(self) -> list[Callable[..., Any]]:
        """All receivers that are still there, in the order of their connection."""
        found = (connection.resolve() for connection in self._connections)
        return [receiver for receiver in found if receiver is not None]

    def has_listeners(self, sender: object = None) -> bool:
        """Whether anybody would be called for this sender."""
        return bool(self._receivers(sender))

    def send(self, sender: object, **arguments: Any) -> list[tuple[Callable[..., Any], Any]]:
        """Call every receiver of this sender; returns each with its answer, or with what it raised.

        An error is logged and stops nobody.
        """
        answers: list[tuple[Callable[..., Any], Any]] = []
        for receiver in self._receivers(sender):
            try:
                answers.append((receiver, receiver(signal=self, sender=sender, **arguments)))
            except SoftTimeLimitExceeded:
                # It is meant for the task in whose middle the receiver runs.
                raise
            except Exception as exc:  # noqa: BLE001 - receivers may raise anything
                _log.exception("the receiver %s of the signal %s raised", _name(receiver), self.name)
                answers.append((receiver, exc))
        return answers

    def _receivers(self, sender: object) -> list[Callable[..., Any]]:
        found = (
            connection.resolve() for connection in self._connections if _matches(connection.sender, sender)
        )
        return [receiver for receiver in found if receiver is not None]

    def _living(self) -> tuple[_Connection, ...]:
        return tuple(connection for connection in self._connections if connection.resolve() is not None)

    def __repr__(self) -> str:
        return f"<Signal {self.name}>"


def _check(signal: str, receiver: object) -> None:
    # Slow to import, and needed only by programs that connect something.
    import inspect

    where = f"the receiver {_name(receiver)} of the signal {signal}"
    if not callable(receiver):
        raise PluginError(f"{where} is not callable")
    if inspect.iscoroutinefunction(receiver) or inspect.iscoroutinefunction(type(receiver).__call__):
        raise PluginError(f"{where} is async: signals are sent from plain code, write it with def")
    try:
        parameters = inspect.signature(receiver).parameters.values()
    except ValueError:
        return
    if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        raise PluginError(f"{where} must take **kwargs: signals may get more arguments in the future")


def _key(receiver: object, sender: object, dispatch_uid: Hashable) -> tuple[Hashable, ...]:
    who = id(sender) if not isinstance(sender, str) else sender
    if dispatch_uid is not None:
        return "uid", dispatch_uid, who
    # Each access to a bound method makes a new object.
    owner, function = getattr(receiver, "__self__", None), getattr(receiver, "__func__", receiver)
    return "id", id(owner), id(function), who


def _weak(receiver: Any) -> Callable[[], Callable[..., Any] | None]:
    return weakref.WeakMethod(receiver) if hasattr(receiver, "__func__") else weakref.ref(receiver)


def _matches(wanted: object, sender: object) -> bool:
    if wanted is None or wanted is sender:
        return True
    # A task and its name stand for each other: publishing knows the name only.
    name = getattr(wanted, "name", wanted)
    return isinstance(name, str) and name == getattr(sender, "name", sender)


def _name(receiver: object) -> str:
    name = getattr(receiver, "__qualname__", None)
    return f"{getattr(receiver, '__module__', '?')}.{name}" if name else repr(receiver)
