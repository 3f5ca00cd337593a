"""The hot path by itself, for `bench.instructions`: `python -m bench.hotpath [--calls] URL [URL ...]`.

Each segment is `COUNT` no-ops, after some that warm everything up. `getsid`, which nothing else calls, marks where a
segment begins and ends: callgrind writes what it has counted since the last mark. With `--calls`, the calls of Python
functions are counted instead. Batches have a fixed size and no body counts as slow, because under callgrind everything
takes fifty times as long; hooks of other distributions are left out, since they would count as tq's.
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from types import FrameType
from typing import Any

from tq import TQ
from tq.app.work import WorkerOptions, make_worker
from tq.contracts.pool import PoolSetup
from tq.plugins.hooks import HookManager
from tq.policy.batch import BatchSize
from tq.worker import engine
from tq.worker.collector import patient_collector

COUNT = 400
_WARM = 100
_BATCH = 50
_AGES = 600.0

Work = Callable[[], object]


def main(words: list[str]) -> None:
    """Run all segments on each store; a line of JSON for each, in order."""
    BatchSize.observe = _always_the_same  # type: ignore[assignment,method-assign]
    engine.PATIENCE = _AGES
    count = _calls if "--calls" in words else _marked
    with patient_collector():
        for url in (word for word in words if "://" in word):
            for name, prepare in segments(url):
                prepare(_WARM)()
                calls = count(prepare(COUNT))
                print(json.dumps([f"{url.partition(':')[0]}: {name}", calls]), flush=True)


def segments(url: str) -> Iterator[tuple[str, Callable[[int], Work]]]:
    """What is counted, with what makes ready for so many messages."""
    plain, asked = app_on(url, results=False), app_on(url, results=True)
    yield "delay", lambda count: partial(delays, plain, count)
    yield "drain", partial(engine_for, setup_of(plain))
    bulk(asked, _WARM + COUNT)
    yield "drain with results", partial(engine_for, setup_of(asked))
    watched = app_on(url, results=False, events=True)
    bulk(watched, _WARM + COUNT)
    yield "drain with events", partial(watched_engine_for, watched, setup_of(watched))
    yield "bulk", lambda count: partial(bulk, plain, count)


def app_on(url: str, *, results: bool, events: bool = False) -> TQ:
    """An app with one task, and a queue of its own."""
    app = TQ("count", broker=url, result_backend=url if results else None, set_as_current=False)
    app.conf.task_ignore_result = not results
    app.conf.task_default_queue = f"results-{results}-{events}"
    app.conf.worker_send_task_events = events
    app.task(name="noop")(noop)
    app.hooks = HookManager()
    return app


def noop() -> None:
    """Nothing."""


def delays(app: TQ, count: int) -> None:
    """Calls, one by one."""
    delay = app.tasks["noop"].delay
    for _ in range(count):
        delay()


def bulk(app: TQ, count: int) -> None:
    """Calls, all at once."""
    app.tasks["noop"].starmap_async(() for _ in range(count))


def setup_of(app: TQ, **options: Any) -> PoolSetup:
    """What a worker's pool makes its engines with."""
    return make_worker(app, WorkerOptions(pool="solo", **options)).pool.setup


def engine_for(setup: PoolSetup, count: int) -> Work:
    """An engine that works off stored messages in this thread."""
    return setup.inline_engine(setup.local_seat(), max_tasks=count).run


def watched_engine_for(app: TQ, setup: PoolSetup, count: int) -> Work:
    """The same for a worker whose events somebody hears; sending the last of them is part of it."""
    drain, events = engine_for(setup, count), app.events.dispatcher(setup.hostname)
    # By their number alone: under callgrind, many times 0.2 seconds pass.
    events._every = _AGES
    return lambda: (drain(), events.flush())


def _marked(work: Work) -> dict[str, int]:
    os.getsid(0)
    work()
    os.getsid(0)
    return {}


def _calls(work: Work) -> dict[str, int]:
    found: Counter[str] = Counter()

    def note(frame: FrameType, event: str, argument: object) -> None:
        if event == "call":
            found[f"{frame.f_globals.get('__name__')}.{frame.f_code.co_qualname}"] += 1

    sys.setprofile(note)
    work()
    sys.setprofile(None)
    return {name: calls for name, calls in found.items() if calls * 2 > COUNT}


def _always_the_same(size: BatchSize, count: int, seconds: float) -> None:
    size.limit = _BATCH


if __name__ == "__main__":
    main(sys.argv[1:])
