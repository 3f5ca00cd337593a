from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
import pytest

from tq import signals
from tq.contracts.hooks import COLLECTING
from tq.contracts.pool import StopMode
from tq.errors import PluginError, Retry, SoftTimeLimitExceeded
from tq.plugins.hooks import HookManager
from tq.plugins.observer import hook_names
from tq.plugins.signal import Signal
from tq.records import Delivery, Envelope, Message, Undecodable


class Task(msgspec.Struct, frozen=True):
    name: str


class Request(msgspec.Struct, frozen=True):
    id: str = "an-id"
    task: str = "shop.add"
    args: Sequence[Any] = (1, 2)
    kwargs: Mapping[str, Any] = {}
    retries: int = 0
    attempt: int = 1
    queue: str = "celery"
    headers: Mapping[str, Any] = {}


class Worker(msgspec.Struct, frozen=True):
    hostname: str = "celery@here"
    concurrency: int = 4


REQUEST = Request()
ADD = Task("shop.add")


class Heard:
    """Receivers that keep what they are told."""

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []

    def __call__(self, **arguments: Any) -> str:
        self.calls.append(arguments)
        return "heard"


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def signal() -> Signal:
    return Signal("test")


@pytest.fixture
def connected(heard: Heard) -> Iterator[Callable[[Signal], Heard]]:
    """Connect to one of the real signals, for the time of a test."""
    used: list[Signal] = []

    def connect(real: Signal) -> Heard:
        real.connect(heard)
        used.append(real)
        return heard

    yield connect
    for real in used:
        assert real.disconnect(heard)


def tell(hook: str, **arguments: Any) -> None:
    manager = HookManager()
    manager.register(signals.plugin({"shop.add": ADD}))
    caller = manager.bind(hook)
    assert caller is not None
    caller(**arguments)


# -- connecting --------------------------------------------------------------------------------------------


def test_a_receiver_gets_the_signal_the_sender_and_the_arguments(signal: Signal, heard: Heard) -> None:
    assert signal.connect(heard) is heard
    assert signal.send(ADD, result=3) == [(heard, "heard")]
    assert heard.calls == [{"signal": signal, "sender": ADD, "result": 3}]


def test_connect_is_a_decorator_with_and_without_arguments(signal: Signal) -> None:
    @signal.connect
    def plain(**kwargs: Any) -> str:
        return "plain"

    @signal.connect(sender=ADD)
    def only_add(**kwargs: Any) -> str:
        return "add"

    assert signal.send(ADD) == [(plain, "plain"), (only_add, "add")]
    assert signal.send(None) == [(plain, "plain")]
    assert plain() == "plain"


@pytest.mark.parametrize("wanted", [ADD, "shop.add"])
@pytest.mark.parametrize("sender", [ADD, "shop.add"])
def test_a_task_and_its_name_stand_for_each_other_as_sender(
    signal: Signal, heard: Heard, wanted: object, sender: object
) -> None:
    signal.connect(heard, sender=wanted)
    assert signal.has_listeners(sender)
    assert not signal.has_listeners(Task("shop.sub"))
    assert not signal.has_listeners("shop.sub")
    assert not signal.has_listeners(None)


def test_connecting_twice_calls_once(signal: Signal, heard: Heard) -> None:
    signal.connect(heard)
    signal.connect(heard)
    signal.connect(heard, ADD)
    assert len(signal.send(ADD)) == 2


def test_bound_methods_of_two_objects_are_two_receivers(signal: Signal) -> None:
    class Plugin:
        def told(self, **kwargs: Any) -> None:
            return None

    one, two = Plugin(), Plugin()
    signal.connect(one.told)
    signal.connect(one.told)
    signal.connect(two.told)
    assert signal.receivers == [one.told, two.told]
    assert signal.disconnect(one.told)
    assert signal.receivers == [two.told]


def test_one_dispatch_uid_is_one_receiver(signal: Signal, heard: Heard) -> None:
    signal.connect(heard, dispatch_uid="acme")
    signal.connect(Heard(), dispatch_uid="acme")
    assert signal.receivers == [heard]
    assert signal.disconnect(dispatch_uid="acme")
    assert signal.receivers == []


def test_disconnect_needs_the_same_sender_and_says_whether_it_worked(signal: Signal, heard: Heard) -> None:
    signal.connect(heard, sender=ADD)
    assert not signal.disconnect(heard)
    assert signal.disconnect(heard, sender=ADD)
    assert not signal.disconnect(heard, sender=ADD)


def test_a_receiver_is_kept_unless_it_is_connected_weakly(signal: Signal) -> None:
    class Plugin:
        def told(self, **kwargs: Any) -> None:
            return None

    signal.connect(Heard())
    weak_object, weak_method = Heard(), Plugin()
    signal.connect(weak_object, weak=True)
    signal.connect(weak_method.told, weak=True)
    assert len(signal.receivers) == 3
    del weak_object, weak_method
    gc.collect()
    assert len(signal.receivers) == 1


def test_receivers_that_could_not_work_are_refused(signal: Signal) -> None:
    async def later(**kwargs: Any) -> None:
        raise NotImplementedError

    class Later:
        async def __call__(self, **kwargs: Any) -> None:
            raise NotImplementedError

    for wrong in (later, Later()):
        with pytest.raises(PluginError, match="is async"):
            signal.connect(wrong)
    with pytest.raises(PluginError, match=r"must take \*\*kwargs"):
        signal.connect(lambda sender: None)
    with pytest.raises(PluginError, match="3 of the signal test is not callable"):
        signal.connect(3)  # type: ignore[call-overload]
    assert signal.receivers == []


def test_a_receiver_that_raises_is_logged_and_stops_nobody(
    signal: Signal, heard: Heard, caplog: pytest.LogCaptureFixture
) -> None:
    error = ValueError("acme broke")

    @signal.connect
    def broken(**kwargs: Any) -> None:
        raise error

    signal.connect(heard)
    assert signal.send(ADD) == [(broken, error), (heard, "heard")]
    assert "broken of the signal test raised" in caplog.text
    assert "acme broke" in caplog.text


def test_a_soft_time_limit_passes_through_a_receiver(signal: Signal) -> None:
    @signal.connect
    def slow(**kwargs: Any) -> None:
        raise SoftTimeLimitExceeded

    with pytest.raises(SoftTimeLimitExceeded):
        signal.send(ADD)


# -- on the hooks ------------------------------------------------------------------------------------------


def test_without_receivers_no_hook_is_implemented() -> None:
    manager = HookManager()
    name = manager.register(signals.plugin())
    assert manager.implemented(name) == []


def test_only_hooks_with_receivers_and_those_asked_for_are_implemented(
    connected: Callable[[Signal], Heard],
) -> None:
    connected(signals.task_prerun)
    manager = HookManager()
    name = manager.register(signals.plugin(always=["message_publishing"]))
    assert manager.implemented(name) == ["message_publishing", "task_prerun"]


def test_every_signal_has_a_hook_that_fits() -> None:
    everything = [
        name for name in hook_names() if name not in COLLECTING | {"task_rejected", "message_failed"}
    ]
    manager = HookManager()
    name = manager.register(signals.plugin(always=everything))
    assert manager.implemented(name) == everything
    exported = {word for word in signals.__all__ if isinstance(getattr(signals, word), Signal)}
    of_commands = {
        "setup_logging",
        "after_setup_logger",
        "after_setup_task_logger",
        "beat_init",
        "beat_embedded_init",
    }
    assert len(exported - of_commands) == len(everything)
    assert of_commands <= exported


def test_every_signal_goes_by_its_own_name() -> None:
    for word in signals.__all__:
        found = getattr(signals, word)
        assert not isinstance(found, Signal) or found.name == word


def test_a_receiver_that_comes_after_the_plugin_is_heard_where_asked_for(
    connected: Callable[[Signal], Heard],
) -> None:
    manager = HookManager()
    manager.register(signals.plugin(always=["task_received"]))
    heard = connected(signals.task_received)
    caller = manager.bind("task_received")
    assert caller is not None
    caller(request=REQUEST)
    assert heard.calls[0]["request"] is REQUEST


ERROR = ValueError("bad")
RETRY = Retry("again", exc=ERROR, when=3)
MESSAGE = Message({"task": "shop.add", "id": "an-id"}, {"priority": 3}, b'[[1, 2], {}, {"chord": null}]')
DELIVERY = Delivery(MESSAGE, "celery", 7)
GARBAGE = Delivery(Undecodable(b"\0", "no JSON"), "celery", 8)


@pytest.mark.parametrize(
    ("signal", "hook", "arguments", "expected"),
    [
        (signals.worker_init, "worker_starting", {"worker": Worker()}, {"sender": Worker()}),
        (signals.worker_ready, "worker_ready", {"worker": Worker()}, {"sender": Worker()}),
        (
            signals.worker_shutting_down,
            "worker_stopping",
            {"worker": Worker(), "mode": StopMode.WARM},
            {"sender": "celery@here", "sig": "", "how": "Warm", "exitcode": 0},
        ),
        (
            signals.worker_shutting_down,
            "worker_stopping",
            {"worker": Worker(), "mode": StopMode.COLD},
            {"sender": "celery@here", "sig": "", "how": "Cold", "exitcode": 1},
        ),
        (signals.worker_shutdown, "worker_stopped", {"worker": Worker()}, {"sender": Worker()}),
        (signals.worker_process_init, "child_started", {"hostname": "h", "pid": 9}, {"sender": None}),
        (
            signals.worker_process_shutdown,
            "child_stopping",
            {"hostname": "h", "pid": 9, "exitcode": 0},
            {"sender": None, "pid": 9, "exitcode": 0},
        ),
        (signals.task_received, "task_received", {"request": REQUEST}, {"sender": ADD, "request": REQUEST}),
        (
            signals.task_prerun,
            "task_prerun",
            {"request": REQUEST},
            {"sender": ADD, "task_id": "an-id", "task": ADD, "args": (1, 2), "kwargs": {}},
        ),
        (
            signals.task_postrun,
            "task_postrun",
            {"request": REQUEST, "state": "SUCCESS", "retval": 3},
            {
                "sender": ADD,
                "task_id": "an-id",
                "task": ADD,
                "args": (1, 2),
                "kwargs": {},
                "retval": 3,
                "state": "SUCCESS",
            },
        ),
        (
            signals.task_success,
            "task_success",
            {"request": REQUEST, "result": 3, "runtime": 0.5},
            {"sender": ADD, "result": 3, "runtime": 0.5},
        ),
        (
            signals.task_revoked,
            "task_revoked",
            {"task_id": "an-id", "name": "shop.add", "reason": "expired"},
            {"sender": ADD, "terminated": False, "expired": True, "signum": None},
        ),
        (
            signals.task_unknown,
            "task_unknown",
            {"delivery": DELIVERY, "name": "shop.sub", "task_id": "an-id"},
            {"sender": None, "name": "shop.sub", "id": "an-id", "message": MESSAGE},
        ),
        (
            signals.task_rejected,
            "message_rejected",
            {"delivery": GARBAGE, "reason": "no JSON"},
            {"sender": None, "message": GARBAGE.message},
        ),
        (
            signals.before_task_publish,
            "message_publishing",
            {"envelope": Envelope(MESSAGE, "celery")},
            {
                "sender": "shop.add",
                "body": ([1, 2], {}, {"chord": None}),
                "exchange": "",
                "routing_key": "celery",
                "headers": MESSAGE.headers,
                "properties": MESSAGE.properties,
                "declare": [],
                "retry_policy": {},
            },
        ),
        (
            signals.after_task_publish,
            "message_published",
            {"envelope": Envelope(MESSAGE, "celery", exchange="x", routing_key="k")},
            {
                "sender": "shop.add",
                "body": ([1, 2], {}, {"chord": None}),
                "exchange": "x",
                "routing_key": "k",
                "headers": MESSAGE.headers,
            },
        ),
    ],
)
def test_receivers_get_celerys_arguments(
    connected: Callable[[Signal], Heard],
    signal: Signal,
    hook: str,
    arguments: dict[str, Any],
    expected: dict[str, Any],
) -> None:
    heard = connected(signal)
    tell(hook, **arguments)
    [call] = heard.calls
    assert call.pop("signal") is signal
    extra = {name: call.pop(name) for name in ("request", "exc") if name in call and name not in expected}
    assert call == expected
    if "request" in extra:
        assert (extra["request"].id, extra["request"].name) == ("an-id", "shop.add")
    if "exc" in extra:
        assert isinstance(extra["exc"], Exception)


def test_a_failure_comes_with_traceback_and_einfo(connected: Callable[[Signal], Heard]) -> None:
    heard = connected(signals.task_failure)
    try:
        raise ERROR
    except ValueError as exc:
        tell("task_failure", request=REQUEST, exception=exc, traceback="Traceback: as text")
        [call] = heard.calls
        assert (call["sender"], call["task_id"], call["exception"]) == (ADD, "an-id", exc)
        assert (call["args"], call["kwargs"]) == ((1, 2), {})
        assert call["traceback"] is exc.__traceback__
        assert call["einfo"].type is ValueError
        assert str(call["einfo"]) == "Traceback: as text"


def test_a_retry_says_why(connected: Callable[[Signal], Heard]) -> None:
    heard = connected(signals.task_retry)
    tell("task_retry", request=REQUEST, reason=RETRY)
    [call] = heard.calls
    assert (call["sender"], call["request"], call["reason"]) == (ADD, REQUEST, RETRY)
    assert call["einfo"].exception is ERROR
    assert "ValueError: bad" in str(call["einfo"])


def test_headers_can_be_changed_before_publishing() -> None:
    @signals.before_task_publish.connect
    def trace(headers: dict[str, Any], **kwargs: Any) -> None:
        headers["trace"] = "t-1"

    try:
        message = Message({"task": "shop.add"}, {}, b"[[], {}, {}]")
        tell("message_publishing", envelope=Envelope(message, "celery"))
        assert message.headers["trace"] == "t-1"
    finally:
        signals.before_task_publish.disconnect(trace)


@pytest.mark.parametrize(
    "message",
    [
        Message({"compression": "application/x-gzip"}, {}, b"\x1f\x8b"),
        Message({}, {}, b"\x80", "application/x-msgpack", "binary"),
        Message({}, {}, b"no JSON"),
    ],
)
def test_a_body_that_is_not_plain_json_comes_as_bytes(
    connected: Callable[[Signal], Heard], message: Message
) -> None:
    heard = connected(signals.before_task_publish)
    tell("message_publishing", envelope=Envelope(message, "celery"))
    assert heard.calls[0]["body"] == message.body


def test_the_sender_is_the_name_where_the_task_is_not_known_here(
    connected: Callable[[Signal], Heard],
) -> None:
    heard = connected(signals.task_prerun)
    tell("task_prerun", request=Request(task="shop.sub"))
    assert heard.calls[0]["sender"] == heard.calls[0]["task"] == "shop.sub"


def test_a_publish_that_nobody_listens_to_is_not_even_looked_at(caplog: pytest.LogCaptureFixture) -> None:
    manager = HookManager()
    manager.register(signals.plugin(always=["message_publishing", "message_published"]))
    for hook in ("message_publishing", "message_published"):
        caller = manager.bind(hook)
        assert caller is not None
        caller(envelope=None)
    assert caplog.records == []
