"""The disk under a SQLite file runs full."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from tests.faults.app import app, work
from tests.faults.row import Row
from tests.faults.scenarios.scenario import Scenario, Size, Skip
from tests.faults.stage import Stage
from tq.errors import BrokerError

BODY = 0.02
SMALL = "24m"  # a write-ahead log takes 4 MB, and as much again while it is moved
PADDING = "x" * 20_000


def disk_full(stage: Stage, size: Size, title: str) -> Row:
    """No byte can be written for a while; producers hear of it, and the worker goes on afterwards."""
    with _small_disk(stage.folder / "disk") as disk:
        stage.url = stage.backend = f"sqlite:///{disk}/tq.db"
        stage.store = replace(stage.store, url=stage.url)
        stage.connect()
        worker = stage.worker()
        sent = stage.flood(size.tasks, BODY)
        stage.ended(20)
        longest = 0.0
        with stage.outage():
            _fill(disk)
            refused = 0
            until = time.monotonic() + 2.0
            while time.monotonic() < until:
                began = time.monotonic()
                try:
                    sent.append(work.apply_async([BODY], headers={"padding": PADDING}).id)
                except BrokerError:
                    refused += 1
                longest = max(longest, time.monotonic() - began)
            (disk / "filler").unlink()
        since = time.time()
        sent += stage.send(10, BODY)
        recovery = stage.recovered(since)
        row = stage.row(title, sent, recovery=recovery)
        stage.require(refused, "the producer heard of nothing")
        stage.require(worker.running, "the worker ended")
        app.close()
        worker.stop()
        return replace(row, refused=refused, longest_call=longest)


def _fill(disk: Path) -> None:
    with suppress(OSError), (disk / "filler").open("wb", buffering=0) as file:
        for block in (65536, 4096, 512, 1):
            with suppress(OSError):
                while file.write(b"x" * block):
                    pass


@contextmanager
def _small_disk(folder: Path) -> Iterator[Path]:
    """A file system of a few megabytes, in memory."""
    folder.mkdir()
    sudo = [] if os.geteuid() == 0 else ["sudo", "-n"]
    mount = [*sudo, "mount", "-t", "tmpfs", "-o", f"size={SMALL},mode=1777", "tq-faults", str(folder)]
    try:
        subprocess.run(mount, check=True, capture_output=True, text=True)
    except FileNotFoundError as exc:
        raise Skip(f"cannot mount a small file system: {exc}") from exc
    except subprocess.CalledProcessError as exc:
        raise Skip(f"cannot mount a small file system: {exc.stderr.strip()}") from exc
    try:
        yield folder
    finally:
        # A process that a failed test left may still use it.
        subprocess.run([*sudo, "umount", "--lazy", str(folder)], check=True)


SCENARIOS = (
    Scenario(
        "disk full for a while",
        disk_full,
        ("sqlite",),
        because="about a disk that the worker writes to itself; a server that refuses writes is another row",
    ),
)
