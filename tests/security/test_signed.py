"""A worker that takes signed messages only: what is signed runs, and nothing else does."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from plugins.auth.tests.auth_pairs import DAY, make
from tests.processes import Ledger, Workers, eventually
from tq import TQ
from tq.errors import ContentDisallowed, DecodeError
from tq.records import DeadLetter, Envelope, Message
from tq.wire.ids import new_id

WAIT = 60.0


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Ledger:
    return Ledger(tmp_path_factory.mktemp("ledger") / "ledger.txt")


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder, now = tmp_path_factory.mktemp("pairs"), dt.datetime.now(dt.UTC)
    pair = make(folder, "web", begins=now - DAY, ends=now + DAY)
    return {
        "task_serializer": "auth",
        "security_key": str(pair.key),
        "security_certificate": str(pair.certificate),
        "security_cert_store": str(folder / "*.pem"),
        "security_replay_window": 60,
    }


@pytest.fixture(scope="module", params=["solo", "threads", "prefork"])
def app(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    settings: dict[str, Any],
    ledger: Ledger,
) -> Iterator[TQ]:
    url = f"sqlite:///{tmp_path_factory.mktemp('store')}/tq.db"
    workers = Workers("tests.e2e.tasks", url, url, ledger)
    try:
        workers.start(
            *(() if request.param == "solo" else ("-c", "1")),
            pool=request.param,
            accept_content='["auth"]',
            result_accept_content='["json"]',
            **settings,
        )
        client = TQ("client", broker=url, backend=url, set_as_current=False, **settings)
        yield client
        client.close()
    finally:
        workers.close()


def sent(app: TQ, name: str, *args: Any, **options: Any) -> tuple[Any, Message]:
    """Send a task, and return its result and the message."""
    published: list[Message] = []
    publish = app.broker.publish

    def listening(batch: Any, **more: Any) -> Any:
        published.extend(envelope.message for envelope in batch)
        return publish(batch, **more)

    app.broker.publish = listening  # type: ignore[method-assign]
    try:
        return app.send_task(f"tests.e2e.tasks.{name}", args, **options), published[0]
    finally:
        del app.broker.publish


def put(app: TQ, message: Message) -> None:
    assert list(app.broker.publish([Envelope(message, "celery")], timeout=10)) == [None]


def died(app: TQ, task_id: str) -> DeadLetter:
    def look() -> DeadLetter | None:
        return next(
            (
                letter
                for letter in app.broker.dead_letters("celery", limit=1000)
                if isinstance(letter.message, Message) and letter.message.headers.get("id") == task_id
            ),
            None,
        )

    found = eventually(look, f"the dead letter of {task_id}")
    assert found is not None
    return found


def test_a_signed_task_runs(app: TQ) -> None:
    result, message = sent(app, "add", 1, 2)
    assert message.content_type == "application/data"
    assert result.get(timeout=WAIT) == 3


def test_retries_are_signed_anew_and_delays_and_requeues_are_no_copies(app: TQ) -> None:
    assert sent(app, "flaky", 3)[0].get(timeout=WAIT) == 3
    assert sent(app, "add", 1, 2, countdown=0.5)[0].get(timeout=WAIT) == 3


def test_unsigned_messages_are_dead_letters(app: TQ) -> None:
    result, _ = sent(app, "add", 1, 2, serializer="json")
    with pytest.raises(ContentDisallowed):
        result.get(timeout=WAIT)
    assert "accept_content" in died(app, result.id).reason


def test_signed_arguments_cannot_be_moved_to_another_task(app: TQ, ledger: Ledger) -> None:
    result, message = sent(app, "echo", "moved")
    assert result.get(timeout=WAIT) == "moved"
    headers = {**message.headers, "task": "tests.e2e.tasks.note", "id": f"{result.id}-2"}
    put(app, msgspec.structs.replace(message, headers=headers))
    assert "headers were changed after signing: id, task" in died(app, f"{result.id}-2").reason
    assert "moved" not in (ledger.path.read_text() if ledger.path.exists() else "")


def test_a_copy_of_what_ran_does_not_run_again(app: TQ, ledger: Ledger) -> None:
    word = new_id()
    result, message = sent(app, "note", word)
    assert result.get(timeout=WAIT) == word
    put(app, message)
    assert "ran in this process already" in died(app, result.id).reason
    assert ledger.path.read_text().count(word) == 1
    assert app.AsyncResult(result.id).get(timeout=WAIT) == word, "the result of the first run stays"


def test_a_stranger_is_refused(app: TQ, settings: dict[str, Any], tmp_path: Path) -> None:
    now = dt.datetime.now(dt.UTC)
    pair = make(tmp_path, "stranger", begins=now - DAY, ends=now + DAY)
    changed = {
        "security_key": str(pair.key),
        "security_certificate": str(pair.certificate),
        "security_cert_store": str(pair.certificate),
    }
    stranger = TQ("stranger", broker=app.conf.broker_url, set_as_current=False, **{**settings, **changed})
    result, _ = sent(stranger, "add", 1, 2)
    with pytest.raises(DecodeError, match="not trusted here"):
        app.AsyncResult(result.id).get(timeout=WAIT)
    stranger.close()
