"""What the suite cannot know: deaths of real workers, leases on JetStream, and errors in words."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from tq import TQ
from tq.errors import BrokerError, BrokerUnavailable, ImproperlyConfigured
from tq.records import Action, Envelope, Message, Settlement
from tq.wire.ids import new_id

from tq_nats import NatsBroker
from tq_nats.subjects import token

APP = """
import os
from pathlib import Path
from tq import TQ

app = TQ("shop")
HERE = Path(__file__).parent

@app.task
def note(number: int) -> None:
    name = f"{number}-{os.getpid()}"
    (HERE / "began" / name).touch()
    while number % 10 == 0 and not (HERE / "go").exists():
        __import__("time").sleep(0.02)
    (HERE / "ended" / name).touch()
"""
PATIENCE = 60.0


def eventually(condition: Callable[[], Any], what: str) -> None:
    """Wait until it holds."""
    until = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < until, f"did not happen within {PATIENCE:g} s: {what}"
        time.sleep(0.02)


def message(name: str) -> Envelope:
    """A task message."""
    return Envelope(Message({"id": name, "task": "t"}, {}, b"[[],{},{}]"), f"q-{name}")


@pytest.fixture
def shop(shared: Any, tmp_path: Path) -> Path:
    """A project that knows of NATS by its `tq.toml` alone."""
    (tmp_path / "shop.py").write_text(APP)
    (tmp_path / "tq.toml").write_text(
        f'broker_url = "{shared.url}/?stream=shop-{new_id()[:8]}"\nbroker_lease = 2\n'
    )
    for folder in ("began", "ended"):
        (tmp_path / folder).mkdir()
    return tmp_path


@pytest.fixture
def worker(shop: Path) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    """Start workers; what is left of them at the end is killed."""
    with ExitStack() as ends:

        def start() -> subprocess.Popen[bytes]:
            words = [sys.executable, "-m", "tq", "-A", "shop", "worker", "-P", "solo", "-l", "INFO"]
            with (shop / "log").open("ab") as log:
                process = subprocess.Popen(words, cwd=shop, stdout=log, stderr=log, start_new_session=True)
            ends.callback(process.wait)
            ends.callback(process.kill)
            return process

        yield start
    print((shop / "log").read_text())


def test_a_worker_that_is_killed_loses_nothing(
    shop: Path, worker: Callable[[], subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(shop)
    app = TQ("client")
    with app:
        for number in range(30):
            app.send_task("shop.note", (number,))
        first = worker()
        eventually(lambda: any((shop / "began").iterdir()), "the first task begins")
        os.killpg(first.pid, signal.SIGKILL)
        worker()
        (shop / "go").touch()
        eventually(lambda: len(done(shop)) == 30, "every task is done")
    assert done(shop) == set(range(30))


def done(shop: Path) -> set[int]:
    """The numbers of the tasks that ended."""
    return {int(file.name.partition("-")[0]) for file in (shop / "ended").iterdir()}


def test_a_lease_that_is_kept_outlasts_the_servers_patience_and_one_that_is_not_ends(shared: Any) -> None:
    name = new_id()
    broker = NatsBroker(f"{shared.url}/?stream=t-{name}")
    assert list(broker.publish([message(name)], timeout=10)) == [None]
    one = broker.consumer([f"q-{name}"], "one", lease=5.0)
    other = broker.consumer([f"q-{name}"], "other", lease=5.0)
    [delivery] = one.receive(1, 10.0)
    for _ in range(12):
        one.keep()
        assert list(other.receive(1, 0.5)) == [], "what a living consumer holds went to another one"
    [again] = other.receive(1, 30.0)
    assert list(one.settle([Settlement(delivery)])) == [False], "a lease that is over settles nothing"
    assert list(other.settle([Settlement(again)])) == [True]
    broker.close()


def test_a_settlement_that_follows_a_refused_message_is_a_dead_letter(shared: Any) -> None:
    name = new_id()
    broker = NatsBroker(f"{shared.url}/?stream=t-{name}")
    broker.publish([message(name)], timeout=10)
    consumer = broker.consumer([f"q-{name}"], "one", lease=60.0)
    [delivery] = consumer.receive(1, 10.0)
    huge = Envelope(Message({"id": "next"}, {}, b"x" * 800_000), f"q-{name}")
    assert list(consumer.settle([Settlement(delivery, Action.ACK, publish=(huge,))])) == [True]
    [letter] = broker.dead_letters(f"q-{name}")
    assert "700000" in letter.reason
    broker.close()


@pytest.mark.parametrize("name", ["a", "a.b", "größe", "x*>", "q" * 500, "ü" * 500])
def test_a_queues_word_is_fit_for_subjects_and_its_own(name: str) -> None:
    assert len(token(name)) < 250
    assert not set(token(name)) & set(" .*>/\\")
    assert token(name) != token(name + "x")


def no_server(nats_server: Callable[..., Any], folder: Path) -> str:
    server = nats_server("-js")
    server.kill()
    return str(server.url)


def wrong_password(nats_server: Callable[..., Any], folder: Path) -> str:
    return str(nats_server("-js", "--user", "me", "--pass", "right").url).replace("//", "//me:s3cret@")


def no_jetstream(nats_server: Callable[..., Any], folder: Path) -> str:
    return str(nats_server().url)


def no_permission(nats_server: Callable[..., Any], folder: Path) -> str:
    allowed = '{publish: ["$JS.API.STREAM.INFO.tq"], subscribe: ["_INBOX.>"]}'
    (folder / "conf").write_text(
        f"jetstream: enabled\nauthorization: {{users: [{{user: me, password: s3cret, permissions: {allowed}}}]}}"
    )
    return str(nats_server("-c", str(folder / "conf")).url).replace("//", "//me:s3cret@")


@pytest.mark.parametrize(
    ("world", "kind", "words"),
    [
        (no_server, BrokerUnavailable, "is the server running"),
        (wrong_password, BrokerError, "refused the login: check user, password"),
        (no_jetstream, BrokerUnavailable, "start the server with -js"),
        (
            no_permission,
            BrokerError,
            "the user of .* may not publish: .*stream.create.* permissions in the README",
        ),
    ],
)
def test_an_error_says_what_is_wrong_and_what_to_do(
    nats_server: Callable[..., Any], tmp_path: Path, world: Any, kind: type[BrokerError], words: str
) -> None:
    broker = NatsBroker(world(nats_server, tmp_path))
    with pytest.raises(kind, match=words) as caught:
        broker.publish([message("m")], timeout=6)
    assert "s3cret" not in str(caught.value)
    broker.close()


def test_a_stream_of_somebody_else_is_refused(shared: Any) -> None:
    import asyncio

    import nats

    async def make() -> None:
        client = await nats.connect(shared.url)
        await client.jetstream().add_stream(name="theirs", subjects=["theirs.>"])
        await client.close()

    asyncio.run(make())
    broker = NatsBroker(shared.url, {"stream": "theirs"})
    with pytest.raises(BrokerError, match="'theirs' at .* is not tq's"):
        broker.publish([message("m")], timeout=5)
    broker.close()


def test_an_option_that_is_misspelt_is_named() -> None:
    with pytest.raises(ImproperlyConfigured, match="did you mean 'stream'"):
        NatsBroker("nats://localhost", {"steam": "x"})
