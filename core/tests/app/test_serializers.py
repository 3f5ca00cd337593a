"""Serializers of one's own: registered in Python, named as a class, or put in the place of an installed one."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest

from tq import TQ, ImproperlyConfigured
from tq.app.work import WorkerOptions, make_worker
from tq.errors import PluginError
from tq.wire.json import JsonSerializer

WAIT = 30.0


class Reversed:
    """JSON backwards."""

    api_version: ClassVar[int] = 1
    name: ClassVar[str] = "reversed"
    content_type: ClassVar[str] = "application/x-nosj"
    content_encoding: ClassVar[str] = "utf-8"
    safe: ClassVar[bool] = True

    def dumps(self, value: Any) -> bytes:
        return JsonSerializer().dumps(value)[::-1]

    def loads(self, data: bytes) -> Any:
        return JsonSerializer().loads(data[::-1])


class OtherJson(Reversed):
    """Takes the place of the one that is always there."""

    name: ClassVar[str] = "json"
    content_type: ClassVar[str] = "application/json"


@pytest.fixture
def app() -> Iterator[TQ]:
    made = TQ("serial", broker="memory://", backend="cache+memory://", set_as_current=False)
    yield made
    made.close()


def ends_well(app: TQ) -> bool:
    """Whether a task goes through a worker of this app and comes back."""

    @app.task
    def double(number: int) -> int:
        return 2 * number

    worker = make_worker(app, WorkerOptions(pool="solo"))
    thread = threading.Thread(target=worker.run, kwargs={"install_signals": False}, daemon=True)
    thread.start()
    try:
        return double.delay(21).get(timeout=WAIT) == 42
    finally:
        worker.stop()
        thread.join(WAIT)


@pytest.mark.parametrize("accepted", ["reversed", "application/x-nosj"])
def test_a_registered_serializer_writes_and_reads_arguments_and_results(app: TQ, accepted: str) -> None:
    app.serializers.register(Reversed())
    app.conf.update(task_serializer="reversed", result_serializer="reversed", accept_content=[accepted])
    assert ends_well(app)
    assert app.serializers.readers([accepted])["application/x-nosj"] is app.serializers["reversed"]


def test_a_class_can_be_named_without_being_registered(app: TQ) -> None:
    name = f"{__name__}:Reversed"
    app.conf.update(task_serializer=name, result_serializer=name, accept_content=[name])
    assert ends_well(app)


def test_what_nobody_registered_is_an_error(app: TQ) -> None:
    with pytest.raises(PluginError, match="reversed"):
        app.serializers["reversed"]


def test_an_app_keeps_its_serializers_for_itself(app: TQ) -> None:
    app.serializers.register(Reversed())
    with pytest.raises(PluginError):
        TQ("other", set_as_current=False).serializers["reversed"]


def test_an_installed_serializer_can_be_replaced_before_its_first_use(app: TQ) -> None:
    mine = OtherJson()
    app.serializers.register(mine)
    app.serializers.register(mine)
    assert app.serializers["json"] is mine
    with pytest.raises(ImproperlyConfigured, match="'json' is in use already"):
        app.serializers.register(OtherJson())


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [(Reversed, "is a class; register a serializer made of it"), (object(), "without name, content_type")],
)
def test_what_is_no_serializer_is_refused(app: TQ, wrong: Any, sentence: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=sentence):
        app.serializers.register(wrong)
