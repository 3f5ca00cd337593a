"""Messages that kill, or that nobody can read, among good ones."""

from __future__ import annotations

import json
import os
import signal
import zlib
from collections import Counter
from contextlib import suppress
from pathlib import Path

from tests.faults.app import app, crash, grow, leave, work
from tests.faults.row import Row
from tests.faults.scenarios.scenario import Scenario, Size
from tests.faults.stage import Stage
from tests.faults.stores import KINDS, QUEUE
from tq.contracts.broker import Broker
from tq.errors import BrokerError
from tq.records import DeadLetter, Envelope, Message
from tq.wire.ids import new_id

BODY = 0.02
RUNS = 3
"""Deaths after which a message goes to the dead letters."""
LIMIT = 8 * 1024 * 1024
HUGE = 50 * 1024 * 1024
GROWTH = 150
"""MB; a child has a third of it otherwise."""
EMBED = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}


def killers(stage: Stage, size: Size, title: str) -> Row:
    """Tasks that end their process by `os._exit` or a segmentation fault, among others."""
    worker = stage.worker()
    sent = stage.flood(size.tasks // 3, BODY)
    bad = [leave.delay().id, crash.delay().id]
    sent += stage.flood(size.tasks // 3, BODY)
    stage.until(lambda: len(_dead(app.broker)) >= len(bad), "dead letters", 180)
    row = stage.row(title, sent)
    runs = Counter(run.task_id for run in stage.runs())
    stage.require({_id(letter) for letter in _dead(app.broker)} == set(bad), "other dead letters")
    stage.require(all(letter.reason for letter in _dead(app.broker)), "a dead letter without a reason")
    for name in bad:
        stage.require(runs[name] <= RUNS, f"a killer ran {runs[name]} times")
        state = app.AsyncResult(name).state
        stage.require(state == "FAILURE", f"the result of a killer is {state}")
    stage.notes.append(f"killers ran {max(runs[name] for name in bad)} times")
    neighbours = sum(runs[name] - 1 for name in sent)
    stage.require(not neighbours or stage.stalled(), f"{neighbours} neighbours of killers ran again")
    stage.require(worker.running, "the worker ended")
    return row


def unreadable(stage: Stage, size: Size, title: str) -> Row:
    """Bytes, bodies and names that no worker can use, a zip bomb, and 50 MB, among good tasks."""
    # While 50 MB are written, others wait.
    stage.connect(broker_publish_timeout=60.0)
    # Not about leases: who reads 50 MB on a busy machine may come late to a beat.
    worker = stage.worker(message_size_limit=LIMIT, broker_lease=30)
    sent = stage.send(10, BODY)
    # Without the third element, which stops a worker of Celery: there is nothing in it that a task needs.
    two = Message(_headers(), {}, b"[[0.0],{}]")
    stage.require(list(app.broker.publish([Envelope(two, QUEUE)], timeout=10)) == [None], "refused")
    sent.append(str(two.headers["id"]))
    bad = 0
    for raw in (b"\xff\x00garbage", b"", json.dumps({"body": "eA=="})[:-3].encode()):
        stage.store.put_raw(raw)
        bad += 1
    for message in _messages():
        try:
            answer = app.broker.publish([Envelope(message, QUEUE)], timeout=30)
        except BrokerError as exc:
            answer = [exc]
        if answer[0] is None:
            bad += 1
        else:
            stage.notes.append(f"{len(message.body) >> 20} MB refused at publish")
        sent += stage.send(3, BODY)
    stage.until(
        lambda: len(_dead(app.broker)) >= bad,
        lambda: f"{bad} dead letters; there are {[letter.reason for letter in _dead(app.broker)]}",
        seconds=180,
    )
    row = stage.row(title, sent)
    found = _dead(app.broker)
    stage.require(len(found) == bad, f"{len(found)} dead letters of {bad} bad messages")
    stage.require(all(letter.reason for letter in found), "a dead letter without a reason")
    stage.each_once(row)
    stage.require(worker.running, "the worker ended")
    stage.require("died" not in worker.output(), "a child died")
    stage.notes.append(f"{bad} dead letters")
    return row


def oom_killer(stage: Stage, size: Size, title: str) -> Row:
    """A task grows until the system kills its process, as the OOM killer does; its neighbours go on."""
    worker = stage.worker()
    sent = stage.flood(size.tasks // 3, BODY)
    bad = grow.delay(GROWTH).id
    sent += stage.flood(size.tasks // 3, BODY)
    killed = 0

    def killed_for_good() -> bool:
        nonlocal killed
        for run in stage.running():
            if run.task_id == bad and _megabytes(run.pid) > GROWTH:
                with suppress(ProcessLookupError):
                    os.kill(run.pid, signal.SIGKILL)
                    killed += 1
        return len(_dead(app.broker)) == 1

    stage.until(killed_for_good, "a dead letter", 180)
    row = stage.row(title, sent)
    (letter,) = _dead(app.broker)
    stage.require(_id(letter) == bad, "another dead letter")
    # Where the server gives back what a dead process held, who buries it knows how often that was, and not why.
    wanted = "died" if stage.store.kind == "rabbitmq" else "SIGKILL"
    stage.require(wanted in letter.reason, f"the reason is {letter.reason!r}")
    state = app.AsyncResult(bad).state
    stage.require(state == "FAILURE", f"the result of the killer is {state}")
    stage.require(worker.running, "the worker ended")
    stage.notes.append(f"ran {sum(run.task_id == bad for run in stage.runs())} times")
    return row


def _megabytes(pid: int) -> float:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    except FileNotFoundError:
        return 0.0


def _messages() -> list[Message]:
    good = json.dumps([[0.0], {}, EMBED]).encode()
    bomb = zlib.compress(b"[[" + b" " * (1 << 28) + b"],{},{}]", 9)
    bodies = [b"\xff\x00garbage", good[:-9], b"[[0.0],{},{},{}]", b"7", b"[" * 100_000]
    messages = [Message(_headers(), {}, body) for body in bodies]
    messages.append(Message(_headers() | {"task": "no.such.task"}, {}, good))
    messages.append(Message(_headers(), {}, b"cos\nsystem\n.", "application/x-python-serialize", "binary"))
    messages.append(Message(_headers() | {"compression": "application/x-gzip"}, {}, bomb))
    huge = b'[["' + b"x" * HUGE + b'"],{},{}]'
    messages.append(Message(_headers(), {}, huge))
    return messages


def _headers() -> dict[str, object]:
    return {"lang": "py", "task": work.name, "id": new_id()}


def _dead(broker: Broker) -> list[DeadLetter]:
    return list(broker.dead_letters(QUEUE, limit=100))


def _id(letter: DeadLetter) -> str:
    return str(letter.message.headers["id"]) if isinstance(letter.message, Message) else ""


SCENARIOS = (
    Scenario(
        "tasks that kill their process",
        killers,
        KINDS,
        short=("redis", "sqlite", "postgresql", "rabbitmq", "sqs"),
    ),
    Scenario("a task that the OOM killer ends", oom_killer, KINDS, short=("sqlite",)),
    Scenario(
        "messages that nobody can read",
        unreadable,
        KINDS,
        short=("redis", "sqlite", "postgresql", "rabbitmq"),
    ),
)
