"""The conformance suite on a live store, in a process of its own: what `tq plugins check` runs."""

from __future__ import annotations

import importlib.util
import logging
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Final, Literal

import msgspec

from tq.contracts import BackendCap
from tq.errors import PluginError
from tq.plugins import registry

VARIABLE: Final = "CHECKED_BY_TQ"
"""In the environment of the process, a `Target` as JSON. It begins with no TQ_, which is for settings."""

_START: Final = 300.0
"""Seconds that pytest may take to begin."""
_CLEANING: Final = 30.0
"""Seconds that it may take to remove what the suite made, when it is broken off."""

_log = logging.getLogger("tq.plugins")

Kind = Literal["broker", "backend"]


class Target(msgspec.Struct, frozen=True):
    """What is checked: how, and where to write events to (a file descriptor)."""

    url: str
    options: Mapping[str, Any] = {}
    slow_factor: float = 1.0
    events: int = -1


class Begun(msgspec.Struct, frozen=True, tag="begun"):
    """So many rules will be tested."""

    rules: int


class Ended(msgspec.Struct, frozen=True, tag="ended"):
    """What came of one rule."""

    sentence: str
    area: str
    reason: str
    outcome: str
    """holds, fails or not tested."""
    found: str = ""
    """What was there instead, or why it was not tested."""


Event = Begun | Ended


def kind_of(url: str, wanted: Kind | None) -> Kind:
    """What a URL names. Raises `PluginError` where no plugin answers to it, or two kinds do and none is `wanted`."""
    kinds: dict[Kind, Callable[[str], type]] = {
        "broker": registry.broker_class,
        "backend": registry.backend_class,
    }
    if wanted:
        kinds[wanted](url)
        return wanted
    found: list[Kind] = []
    errors = []
    for kind, load in kinds.items():
        try:
            load(url)
            found.append(kind)
        except PluginError as exc:
            errors.append(exc)
    if len(found) == 1:
        return found[0]
    if found:
        scheme = url.partition(":")[0]
        raise PluginError(f"{scheme}:// is a broker and a result backend: add --as broker or --as backend")
    raise errors[0]


def driver_of(kind: Kind, url: str) -> type:
    """The class that is checked. Raises `PluginError` for one that cannot be checked alone."""
    if kind == "broker":
        return registry.broker_class(url)
    found = registry.backend_class(url)
    if BackendCap.REPLIES in found.capabilities:
        raise PluginError(
            f"{found.__name__} sends results through a broker, and cannot be checked by its URL alone: "
            "check the broker, and run ResultBackendConformance in the plugin's own tests"
        )
    return found


def need_tools() -> None:
    """Raise `PluginError` where what the suite needs is not installed."""
    missing = [name for name in ("pytest", "hypothesis") if importlib.util.find_spec(name) is None]
    if missing:
        raise PluginError(
            f'the conformance suite needs {" and ".join(missing)}: pip install "tq-core[testing]"'
        )


class Trial:
    """One run. `events` yields what happens; afterwards `trouble` says why it did not come to its end, if so."""

    def __init__(self, kind: Kind, target: Target, *, rules: str = "", patience: float = 300.0) -> None:
        self._kind = kind
        self._target = target
        self._rules = rules
        self._patience = patience * target.slow_factor
        self.trouble = ""

    def events(self) -> Generator[Event, None, None]:
        """Run the suite. `patience` is how many seconds one rule may take before all is ended."""
        reading, writing = os.pipe()
        with (
            tempfile.TemporaryDirectory(prefix="tq-check-") as folder,
            Path(folder, "output").open("w+b") as log,
        ):
            process = self._start(folder, writing, log)
            os.close(writing)
            try:
                yield from self._read(reading, process)
                if self.trouble:
                    return
                status = process.wait(self._patience)
                if status not in (0, 1):  # all hold, some do not
                    self.trouble = f"pytest ended with status {status}:\n{_tail(log)}"
            finally:
                os.close(reading)
                _end(process)

    def _start(self, folder: str, writing: int, log: IO[bytes]) -> subprocess.Popen[bytes]:
        target = msgspec.structs.replace(self._target, events=writing)
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
        environment |= {VARIABLE: msgspec.json.encode(target).decode(), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        return subprocess.Popen(
            self._command(folder),
            cwd=folder,
            env=environment,
            pass_fds=[writing],
            process_group=0,  # A terminal's Ctrl-C is for this process, which interrupts that one once.
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )

    def _command(self, folder: str) -> Sequence[str]:
        suite = Path(__file__).parents[1] / "testing" / "live" / f"{self._kind}.py"
        alone = ["--noconftest", f"--rootdir={folder}", "-c", os.devnull, "--import-mode=importlib"]
        quiet = ["-q", "-p", "no:cacheprovider", "-p", "tq.testing.live.reporting", "--tb=short"]
        chosen = ["-k", self._rules] if self._rules else []
        return [sys.executable, "-m", "pytest", *alone, *quiet, *chosen, str(suite)]

    def _read(self, reading: int, process: subprocess.Popen[bytes]) -> Iterator[Event]:
        decoder = msgspec.json.Decoder(Event)
        unread, until = b"", time.monotonic() + _START
        while time.monotonic() < until:
            # What a test has forked may hold the pipe open for longer than pytest lives.
            over = process.poll() is not None
            if not select.select([reading], [], [], 0.0 if over else 0.5)[0]:
                if over:
                    return
                continue
            piece = os.read(reading, 65536)
            if not piece:
                return
            until = time.monotonic() + self._patience
            *lines, unread = (unread + piece).split(b"\n")
            yield from map(decoder.decode, lines)
        self.trouble = f"a rule did not come to its end within {self._patience:.0f} s"


def _end(process: subprocess.Popen[bytes]) -> None:
    """Interrupted, pytest still removes what the suite made."""
    try:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.wait(_CLEANING)
    except subprocess.TimeoutExpired:
        _log.warning("what the suite made was not removed within %.0f s, and may be there still", _CLEANING)
    finally:
        process.kill()
        process.wait()


def _tail(log: IO[bytes]) -> str:
    log.seek(0)
    return log.read().decode(errors="replace")[-2000:].strip()
