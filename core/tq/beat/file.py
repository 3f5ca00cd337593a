"""The schedule store in one file, for brokers that cannot keep a schedule: `file:///path/to/schedule.json`.

A lock file beside it lets one process at a time in, and every change replaces the whole file at once, so that a
crash at any moment leaves the old one or the new one. For beats of one machine, and some thousand entries.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import unquote

import msgspec

from tq.contracts.schedules import Advance, Lead, Row, ScheduleCap, ScheduleStore
from tq.errors import BackendError, BackendUnavailable

_PATIENCE = 10.0
_PAUSE = 0.005


class Page(msgspec.Struct):
    """What the file holds for one namespace."""

    rows: dict[str, Row] = {}
    owner: str = ""
    fence: int = 0
    until: float = 0.0
    version: int = 0


class FileScheduleStore(ScheduleStore):
    """`file:///absolute` or `file://relative/path`. Leases go by the machine's clock."""

    capabilities: ClassVar[ScheduleCap] = ScheduleCap.DURABLE | ScheduleCap.SHARED

    def __init__(
        self, url: str, options: Mapping[str, Any] | None = None, *, namespace: str = "default"
    ) -> None:
        super().__init__(url, options, namespace=namespace)
        self.path = Path(unquote(url.partition("://")[2].partition("?")[0]))

    def read(self, names: Sequence[str] | None = None) -> Sequence[Row]:
        with self._failing():
            rows = self._load().get(self.namespace, Page()).rows
        return list(rows.values()) if names is None else [rows[name] for name in names if name in rows]

    def save(self, rows: Sequence[Row]) -> Sequence[bool]:
        with self._page() as page:
            saved = []
            for row in rows:
                known = page.rows.get(row.entry.name)
                fits = (known.revision if known else 0) == row.revision
                if fits:
                    page.rows[row.entry.name] = Row(row.entry, row.state, row.revision + 1)
                saved.append(fits)
            page.version += any(saved)
            return saved

    def remove(self, name: str, revision: int) -> bool:
        with self._page() as page:
            known = page.rows.get(name)
            if known is None or known.revision != revision:
                return False
            del page.rows[name]
            page.version += 1
            return True

    def lead(self, owner: str, lease: float) -> Lead:
        with self._page() as page:
            now = time.time()
            # A clock that was set back must not make a lease longer than it was.
            left = min(page.until - now, lease)
            if page.owner != owner:
                if page.owner and left > 0:
                    return Lead(None, left, page.version)
                page.owner, page.fence = owner, page.fence + 1
            page.until = now + lease
            return Lead(page.fence, lease, page.version)

    def resign(self, owner: str) -> None:
        with self._page() as page:
            if page.owner == owner:
                page.owner = ""

    def advance(self, batch: Sequence[Advance], *, fence: int) -> Sequence[bool]:
        with self._page() as page:
            written = []
            for one in batch:
                known = page.rows.get(one.name)
                fits = fence == page.fence and known is not None and known.revision == one.revision
                if fits and known is not None:
                    page.rows[one.name] = Row(known.entry, one.state, one.revision + 1)
                written.append(fits)
            return written

    def close(self) -> None:
        """Nothing stays open."""

    # -- the file ------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _page(self) -> Iterator[Page]:
        """The namespace's page, alone; what was changed is written when the block ends."""
        with self._failing(), self._locked():
            pages = self._load()
            page = pages.setdefault(self.namespace, Page())
            before = msgspec.json.encode(page)
            yield page
            if msgspec.json.encode(page) != before:
                self._replace(msgspec.json.encode(pages))

    def _load(self) -> dict[str, Page]:
        try:
            return msgspec.json.decode(self.path.read_bytes(), type=dict[str, Page])
        except FileNotFoundError:
            return {}
        except (msgspec.DecodeError, UnicodeError) as exc:
            raise BackendError(
                f"the schedule in {self.path} cannot be read: {exc}; move the file away"
            ) from exc

    def _replace(self, raw: bytes) -> None:
        new = self.path.with_name(f"{self.path.name}.new")
        with new.open("wb") as file:
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self.path)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        if not self.path.parent.exists() and self.path.parent.parent.is_dir():
            self.path.parent.mkdir(exist_ok=True)
        descriptor = os.open(self.path.with_name(f"{self.path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o666)
        try:
            _lock(descriptor, self.path)
            yield
        finally:
            # Closing unlocks, also when the process is killed.
            os.close(descriptor)

    @contextlib.contextmanager
    def _failing(self) -> Iterator[None]:
        try:
            yield
        except OSError as exc:
            raise BackendUnavailable(
                f"the schedule in {self.path} cannot be used: {exc.strerror or exc}"
            ) from exc


def _lock(descriptor: int, path: Path) -> None:
    try:
        import fcntl
    except ImportError as exc:
        raise BackendError(
            "the schedule in a file needs a system with flock; use a store on a server"
        ) from exc
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            if time.monotonic() > deadline:
                raise BackendUnavailable(f"another process holds the lock of {path} for too long") from exc
            time.sleep(_PAUSE)
