"""The system's clock jumps under a worker."""

from __future__ import annotations

import glob
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.faults.row import LEASE, Row
from tests.faults.scenarios.scenario import Scenario, Size, Skip
from tests.faults.stage import Stage
from tests.faults.stores import KINDS, Servers
from tests.services.reaper import reaper

BODY = 0.02
JUMP = 3600
LIBRARY = "/usr/lib/*/faketime/libfaketimeMT.so.1"


def clock_jumps(stage: Stage, size: Size, title: str) -> Row:
    """The clock of a worker's machine goes an hour forward and then two hours back, while it works."""
    library, clock = _library(), stage.folder / "clock"
    clock.write_text("+0\n")
    reaper()  # which would not work by a false clock
    with _faked(library, clock):
        worker = stage.worker()
    sent = stage.flood(1, 4 * LEASE) + stage.flood(size.tasks, BODY)
    for number, jump in enumerate((JUMP, -JUMP), start=1):
        stage.ended(number * 20)
        # The ledger's times are the worker's: from here on they explain nothing.
        clock.write_text(f"{jump:+d}\n")
        time.sleep(LEASE)
    if stage.store.server is not None:
        # A server's clock measures countdowns. With SQLite it is the worker's own, which is wrong for them now.
        sent += stage.send(5, 0.0, countdown=1.0)
    row = stage.row(title, sent)
    stage.require(worker.running, "the worker ended")
    return row


def server_clock_jumps(stage: Stage, size: Size, title: str) -> Row:
    """The clock of the server goes an hour forward and then two hours back: leases and countdowns are measured by it."""
    stage.outlives_lease = True
    library, kind = _library(), stage.store.kind
    with ExitStack() as ends:
        clock = Path(ends.enter_context(tempfile.TemporaryDirectory(prefix="tq-clock-")), "clock")
        clock.parent.chmod(0o755)  # Some servers run as users of their own.
        clock.write_text("+0\n")
        reaper()
        servers = Servers()
        ends.callback(servers.close)
        with _faked(library, clock):
            stage.store = servers.store(kind, stage.folder)
        stage.url = stage.backend = stage.store.url
        stage.connect()
        worker = stage.worker()
        sent = stage.flood(4 * size.tasks, BODY)
        for number, jump in enumerate((JUMP, -JUMP), start=1):
            stage.ended(number * 20)
            with stage.outage():
                clock.write_text(f"{jump:+d}\n")
                time.sleep(2 * LEASE)
        sent += stage.send(5, 0.0, countdown=1.0)
        row = stage.row(title, sent)
        stage.require(worker.running, "the worker ended")
        stage.notes.append("leases ran out, and were begun anew" if stage.stalled() else "no lease ran out")
        worker.stop()
        stage.disconnect()
        return row


def _library() -> Path:
    found = glob.glob(LIBRARY)
    if not found:
        raise Skip("no libfaketime; install it with: apt-get install libfaketime")
    return Path(found[0])


@contextmanager
def _faked(library: Path, clock: Path) -> Iterator[None]:
    """Programs that start inside follow this clock, but for durations."""
    more = {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_CACHE_DURATION": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    os.environ.update(more)
    try:
        yield
    finally:
        for name in more:
            del os.environ[name]


SCENARIOS = (
    Scenario("clock of a worker jumps +1 h, then -2 h", clock_jumps, KINDS, short=("redis", "sqlite")),
    Scenario(
        "clock of the server jumps +1 h, then -2 h",
        server_clock_jumps,
        ("postgresql", "mariadb"),
        short=("postgresql",),
        because="no clock of a server measures its leases, or the server does not run under a false clock",
    ),
)
