"""Capture task messages of a real Celery into `golden/*.json`, the vectors of `test_golden.py`.

Run by hand, with a Python that has Celery 5.7 (and `backports.zstd` before Python 3.14), from any folder:

    python core/tests/wire/capture_golden.py

It publishes to kombu's in-memory transport and keeps the envelope that Redis or SQL would hold. What is
random in an envelope (origin, reply_to, delivery_tag, group ids) is fixed, so a second run changes
`sent_at` and `expiration` only. `node_celery`, `celery_node` and `hybrid`
are written by hand; see their `about`.
"""

# mypy: ignore-errors
# Celery is not among the dependencies, so its types are unknown.
from __future__ import annotations

import datetime as dt
import decimal
import json
import time
import uuid
from pathlib import Path
from typing import Any
from unittest import mock

import celery
import kombu
from celery import Celery, chain, chord, group
from kombu.utils.json import dumps

GOLDEN = Path(__file__).parent / "golden"
ETA = dt.datetime(2099, 1, 2, 3, 4, 5, 678901, tzinfo=dt.UTC)
EXPIRES = dt.datetime(2099, 1, 3, tzinfo=dt.timezone(dt.timedelta(hours=2)))
TYPED = {
    "datetime": dt.datetime(2026, 11, 21, 7, 8, 9, 123456, tzinfo=dt.UTC),
    "naive": dt.datetime(2026, 11, 21, 7, 8),
    "date": dt.date(2026, 11, 21),
    "time": dt.time(7, 8, 9),
    "decimal": decimal.Decimal("1.10"),
    "uuid": uuid.UUID(int=7),
    "bytes": "grün".encode(),
    "base64": b"\xff\x00",
    "tuple": (1, 2),
    "keys": {2: "a", True: "b", None: "c", 1.5: "d"},
}


def task_id(number: int) -> str:
    return str(uuid.UUID(int=number))


def add(x: int, y: int) -> int:
    return x + y


def total(numbers: list[int]) -> int:
    return sum(numbers)


class App(Celery):
    thread_oid = str(uuid.UUID(int=1))  # what Celery takes as reply_to; random otherwise


def make_app(**settings: Any) -> Celery:
    app = App("m", broker="memory://", backend="cache+memory://", set_as_current=False)
    app.conf.update(settings)
    app.task(name="m.add", typing=False)(add)
    app.task(name="m.total")(total)
    return app


def publish(app: Celery, send: Any) -> list[dict[str, Any]]:
    """The envelopes that `send(add, total)` leaves in the default queue, in the order of sending."""
    with app.connection_for_write() as connection:
        channel = connection.default_channel
        channel.queue_declare("celery")
        channel._purge("celery")
        send(app.tasks["m.add"], app.tasks["m.total"])
        return [channel._get("celery") for _ in range(channel._size("celery"))]


def save(name: str, about: str, envelope: dict[str, Any]) -> None:
    properties = envelope["properties"]
    properties["delivery_tag"] = task_id(0)
    if "origin" in envelope["headers"]:
        envelope["headers"]["origin"] = "gen1@host"
    document = {
        "about": about,
        "celery": celery.__version__,
        "kombu": kombu.__version__,
        "sent_at": time.time(),
        "envelope": json.loads(dumps(envelope)),
    }
    text = json.dumps(document, indent=2)
    (GOLDEN / f"{name}.json").write_text(text + "\n", encoding="ascii")


def all_options(add: Any, total: Any) -> None:
    add.apply_async(
        (3,),
        {"y": 4},
        task_id=task_id(3),
        eta=ETA,
        expires=EXPIRES,
        priority=6,
        time_limit=30,
        soft_time_limit=20.5,
        headers={"my": "header", "nested": {"a": [1, None]}},
        link=total.s().set(task_id=task_id(31)),
        link_error=total.si([1]).set(task_id=task_id(32)),
        ignore_result=True,
        shadow="shown as",
        retries=2,
        root_id=task_id(33),
        parent_id=task_id(34),
        replaced_task_nesting=1,
    )


def stamped(add: Any, total: Any) -> None:
    call = add.s(1, 2).set(task_id=task_id(4))
    call.stamp(tags=["a", "b"])
    call.apply_async()


def in_chain(add: Any, total: Any) -> None:
    chain(
        add.s(1, 2).set(task_id=task_id(5)),
        add.s(3).set(task_id=task_id(51)),
        add.s(4).set(task_id=task_id(52)),
    ).apply_async(task_id=task_id(52))


def in_group(add: Any, total: Any) -> None:
    members = [add.s(n, n).set(task_id=task_id(60 + n)) for n in range(2)]
    group(members, app=add.app).apply_async(task_id=task_id(6))


def in_chord(add: Any, total: Any) -> None:
    members = [add.s(n, n).set(task_id=task_id(70 + n)) for n in range(2)]
    with mock.patch("celery.canvas.uuid", lambda: task_id(7)):
        chord(members, app=add.app)(total.s().set(task_id=task_id(79)), task_id=task_id(79))


def plain(**options: Any) -> Any:
    return lambda add, total: add.apply_async((1, 2), task_id=task_id(2), **options)


def main() -> None:
    app = make_app()
    cases = {
        "plain": ("add.apply_async((1, 2))", app, plain()),
        "options": ("every option of apply_async that reaches the message", app, all_options),
        "stamped": ("a signature with a stamp", app, stamped),
        "chain": ("first step of a chain of three", app, in_chain),
        "group": ("second member of a group", app, in_group),
        "chord": ("second header task of a chord", app, in_chord),
        "gzip": ("compression='gzip': a bare zlib stream", app, plain(compression="gzip")),
        "bzip2": ("compression='bzip2'", app, plain(compression="bzip2")),
        "lzma": ("compression='lzma'", app, plain(compression="lzma")),
        "zstd": ("compression='zstd'", app, plain(compression="zstd")),
        "typed": (
            "every value that kombu's JSON types",
            app,
            lambda add, total: add.apply_async((), TYPED, task_id=task_id(8)),
        ),
        "odd_values": (
            "values that only Python's JSON knows: NaN, infinity, half a surrogate pair, a large int",
            app,
            lambda add, total: add.apply_async(
                (float("nan"), float("inf"), "\ud800", 2**70), task_id=task_id(9)
            ),
        ),
        "protocol1": ("task_protocol = 1", make_app(task_protocol=1), plain(eta=ETA, expires=EXPIRES)),
    }
    for name, (about, sender, send) in cases.items():
        save(name, about, publish(sender, send)[-1])


if __name__ == "__main__":
    main()
