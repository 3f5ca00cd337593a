"""Every error that tq raises, in one tree.

TQError
├── ImproperlyConfigured      a setting, option or URL is wrong
│   └── UnknownSetting        a name that no setting has (with a suggestion)
├── PluginError               a plugin is missing, broken or claimed twice
├── BrokerError               the broker refused or could not be reached
│   ├── BrokerUnavailable     no connection within the deadline
│   ├── LeaseLost             this consumer was declared dead
│   └── PublishError          a message was not accepted
│       └── TaskLocked        a task with the same unique key waits or runs
├── BackendError              the result backend refused or could not be reached
│   └── BackendUnavailable
├── SerializationError
│   ├── EncodeError           a value cannot be written
│   ├── DecodeError           bytes cannot be read
│   └── ContentDisallowed     a content type that accept_content does not name
├── TaskError
│   ├── NotRegistered         no task of this name (also a KeyError)
│   ├── AlreadyRegistered
│   ├── InvalidTask           a message that is no task
│   ├── TaskRevoked
│   ├── MaxRetriesExceeded
│   ├── ChordError            a member of a chord failed, so its body never ran
│   ├── IncompleteStream      what came of a task is not known before it has ended
│   ├── WaitInTask            `get` inside a task, which could wait for ever (also a RuntimeError)
│   └── RemoteError           a task failed with an exception that is not rebuilt here
├── ResultTimeout             `get(timeout=)` ran out (also a TimeoutError)
├── SoftTimeLimitExceeded     raised inside a task
├── TimeLimitExceeded         stored for a task that was killed
├── WorkerLost                stored for a task whose process died
└── Control flow inside tasks: Retry, Ignore, Reject
"""

from __future__ import annotations

import datetime as _dt
from typing import Any


class TQError(Exception):
    """Base of all errors of tq."""


class ImproperlyConfigured(TQError):
    """A setting, option or URL cannot be used as it is."""


class UnknownSetting(ImproperlyConfigured, AttributeError):
    """No setting has this name."""


class PluginError(TQError):
    """A plugin is missing, broken, too old or too new, or claimed twice."""


class BrokerError(TQError):
    """The broker refused an operation; `url` has its password masked."""

    def __init__(self, message: str, *, url: str = "") -> None:
        super().__init__(message)
        self.url = url


class BrokerUnavailable(BrokerError):
    """The broker could not be reached within the deadline.

    `in_doubt`: the connection broke when the broker may have done what it was asked for, so that asking again
    may do it twice.
    """

    in_doubt: bool = False


class LeaseLost(BrokerError):
    """This consumer was declared dead and what it held was given to others; it must not go on."""


class PublishError(BrokerError):
    """The broker did not accept a message."""


class TaskLocked(PublishError):
    """A task with the same unique key waits or runs already; `task_id` is its id."""

    def __init__(self, message: str, *, task_id: str, url: str = "") -> None:
        super().__init__(message, url=url)
        self.task_id = task_id


class BackendError(TQError):
    """The result backend refused an operation; `url` has its password masked."""

    def __init__(self, message: str, *, url: str = "") -> None:
        super().__init__(message)
        self.url = url


class BackendUnavailable(BackendError):
    """The result backend could not be reached within the deadline."""


class SerializationError(TQError):
    """A value could not be written or read."""


class EncodeError(SerializationError):
    """A value has no form in the chosen serializer."""


class DecodeError(SerializationError):
    """Bytes are not what their content type says."""


class ContentDisallowed(SerializationError):
    """The content type is not named by `accept_content`."""


class TaskError(TQError):
    """Something about one task or its message."""


class NotRegistered(TaskError, KeyError):
    """No task of this name is registered."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class AlreadyRegistered(TaskError):
    """Two tasks claim one name."""


class InvalidTask(TaskError):
    """The message is not a task message."""


class TaskRevoked(TaskError):
    """The task was revoked, or expired, before it could finish."""


class MaxRetriesExceeded(TaskError):
    """A task asked for one more retry than it may have."""

    def __init__(self, *args: Any, task_args: Any = (), task_kwargs: Any = None) -> None:
        super().__init__(*args)
        self.task_args = task_args
        self.task_kwargs: Any = {} if task_kwargs is None else task_kwargs


class ChordError(TaskError):
    """The body of a chord never ran: a member of its header failed, was revoked or got lost."""


class IncompleteStream(TaskError):
    """What came of a task is not known before it has ended."""


class WaitInTask(TaskError, RuntimeError):
    """A task waits for the result of another one, and may block the slot that the other needs."""


class RemoteError(TaskError):
    """A task failed with an exception whose class is not rebuilt here.

    `exc_type` and `exc_module` say what it was, `exc_args` what it held.
    """

    def __init__(self, exc_type: str, exc_module: str, exc_args: tuple[Any, ...]) -> None:
        super().__init__(f"{exc_module}.{exc_type}{exc_args!r}" if exc_module else f"{exc_type}{exc_args!r}")
        self.exc_type = exc_type
        self.exc_module = exc_module
        self.exc_args = exc_args


class ResultTimeout(TQError, TimeoutError):
    """A result did not come within the time given to `get`."""


class SoftTimeLimitExceeded(TQError):
    """Raised inside a task when its soft time limit is over; the task may clean up."""


class TimeLimitExceeded(TQError):
    """The task ran into its hard time limit and was killed."""


class WorkerLost(TQError):
    """The process that ran the task died."""


class Ignore(TQError):
    """Raise in a task: acknowledge the message and write no state."""


class Reject(TQError):
    """Raise in a task: do not acknowledge; dead-letter, or with `requeue` deliver again."""

    def __init__(self, reason: object = None, requeue: bool = False) -> None:
        super().__init__(reason, requeue)
        self.reason = reason
        self.requeue = requeue


class Retry(TQError):
    """Raised by `Task.retry` to end this attempt; the next one runs at `when`.

    `when` is seconds from now, or a moment, or None for at once.
    """

    def __init__(
        self,
        message: str | None = None,
        exc: BaseException | None = None,
        when: float | _dt.datetime | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(message, exc, when)
        self.message = message
        self.exc = exc
        self.when = when
        self.sig: Any = kwargs.get("sig")

    def humanize(self) -> str:
        """Say when the next attempt runs."""
        if isinstance(self.when, (int, float)):
            return f"in {self.when}s"
        return "at once" if self.when is None else f"at {self.when}"

    def __str__(self) -> str:
        if self.message:
            return self.message
        return f"Retry {self.humanize()}" + (f": {self.exc!r}" if self.exc else "")
