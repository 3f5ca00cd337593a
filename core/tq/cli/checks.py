"""The checks of `tq doctor`: each adds findings, and none raises because something is broken."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

import msgspec

from tq.app.app import TQ
from tq.app.work import WorkerOptions, queues_of
from tq.cli.queues import stats_of
from tq.contracts.broker import Broker, Cap
from tq.contracts.results import ResultBackend
from tq.errors import TQError
from tq.options import mask_url
from tq.records import Finding, QueueStats, Severity
from tq.wire.ids import new_id

T = TypeVar("T")
MAX_AGE: Final = 300.0
"""Seconds for which a message may wait before that is a finding, unless the caller says otherwise."""
_VERSION = re.compile(r"^(?:software -> )?(tq|celery)(?: -> |:)(\S+)", re.MULTILINE)


class Report(msgspec.Struct, frozen=True):
    """What `tq doctor` found. Round trips are in seconds, None where there was none; `workers` gives the version of
    each worker that answered, None where workers were not asked."""

    broker: str | None
    broker_round_trip: float | None
    backend: str | None
    backend_round_trip: float | None
    workers: dict[str, str] | None
    findings: Sequence[Finding]

    @property
    def healthy(self) -> bool:
        """Nothing but notes."""
        return all(finding.severity is Severity.NOTE for finding in self.findings)


class Checkup:
    """One look at everything."""

    def __init__(
        self, make: Callable[[], TQ], queues: Sequence[str], timeout: float, max_age: float = MAX_AGE
    ) -> None:
        self._make = make
        self._queues = queues
        self._timeout = timeout
        self._max_age = max_age
        self._findings: list[Finding] = []

    def report(self) -> Report:
        """Run all checks that can be run."""
        app = self._guarded("the app", "correct -A, or the settings", self._make)
        if app is None:
            return Report(None, None, None, None, None, self._findings)
        broker_url, backend_url = self._urls(app)
        stats: Sequence[QueueStats] = ()
        workers, broker_trip = None, None
        broker = self._guarded("the broker", "correct broker_url, or install its plugin", lambda: app.broker)
        if broker is not None:
            broker_trip = self._round_trip("the broker", "broker_url", lambda: touch(broker))
        if broker is not None and broker_trip is not None:
            stats = self._guarded("the queues", "correct -Q or task_queues", lambda: self._stats(app)) or ()
            # After these, so that a broker knows which queues are meant.
            self._setup("the broker", broker)
            workers = self._workers(app, stats)
        self._waiting(stats)
        self._dead(stats)
        return Report(
            broker_url, broker_trip, backend_url, self._backend(app, backend_url), workers, self._findings
        )

    def _stats(self, app: TQ) -> list[QueueStats]:
        queues = queues_of(app, WorkerOptions(queues=self._queues))
        if Cap.STATS in app.broker.capabilities:
            return stats_of(app, queues)
        driver = type(app.broker).__name__
        self._add(
            Severity.NOTE, f"{driver} cannot say what lies in its queues", "ask the server's own tools for it"
        )
        return []

    def _urls(self, app: TQ) -> tuple[str | None, str | None]:
        def read() -> tuple[str | None, str | None]:
            backend = app.conf.result_backend
            return mask_url(app.conf.broker_url), None if backend is None else mask_url(backend)

        return self._guarded("the settings", "correct them", read) or (None, None)

    def _backend(self, app: TQ, url: str | None) -> float | None:
        if url is None:
            self._add(Severity.NOTE, "no result backend is set: results are not kept", "set result_backend")
            return None
        backend = self._guarded(
            "the result backend", "correct result_backend, or install its plugin", lambda: app.backend
        )
        if backend is None:
            return None
        trip = self._round_trip("the result backend", "result_backend", lambda: look_up(backend))
        if trip is not None:
            self._setup("the result backend", backend)
        return trip

    def _round_trip(self, what: str, setting: str, ask: Callable[[], object]) -> float | None:
        """Seconds of a second call: the first one connects."""

        def timed() -> float:
            ask()
            begun = time.perf_counter()
            ask()
            return time.perf_counter() - begun

        return self._guarded(
            what, f"start the server, or correct {setting}; see its own message for what it wants", timed
        )

    def _setup(self, what: str, store: Broker | ResultBackend) -> None:
        advice = "grant what the plugin's README lists"
        found = self._guarded(f"the set-up of {what}", advice, store.findings, Severity.WARNING)
        for finding in found or ():
            self._add(finding.severity, finding.what, finding.advice)

    def _workers(self, app: TQ, stats: Sequence[QueueStats]) -> dict[str, str] | None:
        read: set[str] | None = None
        versions: dict[str, str] | None = None
        if self._timeout and Cap.BROADCAST in app.broker.capabilities:
            inspect = app.control.inspect(timeout=self._timeout)
            advice = "grant what the plugin's README lists for remote control"
            replies = self._guarded("the workers", advice, lambda: inspect.active_queues() or {})
            if replies is not None:
                read = {
                    queue["name"] for queue in _lists(replies) if isinstance(queue, dict) and "name" in queue
                }
                # These are there, so it ends when all of them have answered.
                inspect.destination = sorted(replies) or None
                reports = (
                    self._guarded("the workers", advice, lambda: inspect.report() or {}) if replies else {}
                )
                versions = {node: _version(reply) for node, reply in (reports or {}).items()}
                self._crew(versions, stats)
        for queue in stats:
            self._unread(queue, read)
        return versions

    def _crew(self, versions: dict[str, str], stats: Sequence[QueueStats] = ()) -> None:
        if not versions:
            self._silent(stats)
        tq = {version for version in versions.values() if version.startswith("tq ")}
        if len(tq) > 1:
            nodes = "; ".join(f"{node}: {version}" for node, version in sorted(versions.items()))
            self._add(
                Severity.WARNING,
                f"workers of several versions run ({nodes})",
                "restart those of the older ones",
            )

    def _silent(self, stats: Sequence[QueueStats]) -> None:
        read = [queue for queue in stats if queue.consumers]
        if not read:
            self._add(
                Severity.NOTE, "no worker answered", "start one with `tq worker`, or ask longer with -t"
            )
        for queue in read:
            self._add(
                Severity.WARNING,
                f"{queue.consumers} consumers read queue {queue.name!r}, but no worker answered within "
                f"{self._timeout:g} s: they hang, are very busy, are just gone, or have no remote control",
                "look at the workers' processes and logs, or ask longer with -t; what a dead one held is given to others "
                "when its lease ends (broker_lease)",
            )

    def _waiting(self, stats: Sequence[QueueStats]) -> None:
        for queue in stats:
            if queue.ready and queue.oldest_age is not None and queue.oldest_age > self._max_age:
                self._add(
                    Severity.WARNING,
                    f"the oldest of {queue.ready} messages in queue {queue.name!r} waits for "
                    f"{queue.oldest_age:.0f} s, longer than {self._max_age:g} s",
                    "start more workers or raise their --concurrency; `tq top` shows which tasks take the time",
                )

    def _unread(self, queue: QueueStats, read: set[str] | None) -> None:
        asked = read is not None or queue.consumers is not None
        if queue.ready and asked and not queue.consumers and queue.name not in (read or ()):
            self._add(
                Severity.ERROR,
                f"{queue.ready} messages wait in queue {queue.name!r}, and no worker reads it",
                f"start one with `tq worker -Q {queue.name}`, or `tq control add_consumer {queue.name}`",
            )

    def _dead(self, stats: Sequence[QueueStats]) -> None:
        for queue in stats:
            if queue.dead:
                self._add(
                    Severity.WARNING,
                    f"{queue.dead} dead letters lie beside queue {queue.name!r}",
                    f"`tq dead list -Q {queue.name}` says why; then requeue or drop them",
                )

    def _add(self, severity: Severity, what: str, advice: str) -> None:
        # Broker and results on one server have the same findings.
        if all(known.what != what for known in self._findings):
            self._findings.append(Finding(severity, what, advice))

    def _guarded(
        self, what: str, advice: str, check: Callable[[], T], severity: Severity = Severity.ERROR
    ) -> T | None:
        """The answer of a check; where it fails, None and a finding."""
        try:
            return check()
        except TQError as exc:
            self._add(severity, str(exc), advice)
        except Exception as exc:  # noqa: BLE001 - a plugin or an app may raise anything
            # Its text may hold a URL with its password.
            self._add(severity, f"{what} cannot be used: it raised {type(exc).__name__}", advice)
        return None


def touch(broker: Broker) -> None:
    """Ask the server something that changes nothing."""
    if Cap.STATS in broker.capabilities:
        broker.stats("tq.doctor")
    else:
        broker.findings()


def look_up(backend: ResultBackend) -> None:
    """Ask for a result that nobody has."""
    backend.get([new_id()])


def _lists(replies: dict[str, Any]) -> list[Any]:
    return [item for reply in replies.values() if isinstance(reply, list) for item in reply]


def _version(reply: object) -> str:
    text = reply.get("ok") if isinstance(reply, dict) else None
    found = _VERSION.search(text) if isinstance(text, str) else None
    return f"{found[1]} {found[2]}" if found else "unknown"
