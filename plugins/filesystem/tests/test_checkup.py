"""What `findings()` says of a folder."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tq.records import Severity
from tq.wire.json import JsonSerializer
from tq_filesystem import FilesystemBackend, FilesystemBroker, checkup
from tq_filesystem.checkup import check_up, kind_of


class Usage(NamedTuple):
    """What `shutil.disk_usage` says."""

    total: int
    used: int
    free: int


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk with room, whatever the tests run on."""
    monkeypatch.setattr(checkup, "kind_of", lambda folder: "ext4")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(2**40, 0, 2**40))


def test_a_folder_on_a_disk_with_room_has_no_findings(tmp_path: Path) -> None:
    broker = FilesystemBroker(f"filesystem://{tmp_path}/messages", {"fsync": True})
    backend = FilesystemBackend(
        f"file://{tmp_path}/results", {"fsync": True}, serializer=JsonSerializer(), expires=None
    )
    assert broker.findings() == backend.findings() == []
    assert not (tmp_path / "messages").exists()


def test_writing_without_waiting_for_the_disk_is_noted(tmp_path: Path) -> None:
    (note,) = check_up(tmp_path, synced=False)
    assert note.severity is Severity.NOTE and "fsync is off" in note.what


@pytest.mark.parametrize(("free", "severity"), [(50 * 2**20, Severity.WARNING), (2**20, Severity.ERROR)])
def test_a_full_disk_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, severity: Severity
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(2**40, 0, free))
    (found,) = check_up(tmp_path, synced=True)
    assert found.severity is severity and "MiB left" in found.what


@pytest.mark.parametrize(("kind", "words"), [("nfs4", "network file system (nfs4)"), ("tmpfs", "in memory")])
def test_file_systems_that_bear_watching_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, words: str
) -> None:
    monkeypatch.setattr(checkup, "kind_of", lambda folder: kind)
    (found,) = check_up(tmp_path, synced=True)
    assert found.severity is Severity.WARNING and words in found.what


def test_a_folder_without_rights_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "queues").mkdir()
    real = os.access

    def access(path: Any, mode: int) -> bool:
        return real(path, mode) and not (str(path).endswith("queues") and mode & os.W_OK)

    # Tests may run as root, who may do anything.
    monkeypatch.setattr(os, "access", access)
    (found,) = check_up(tmp_path, synced=True)
    assert found.severity is Severity.ERROR and str(tmp_path / "queues") in found.what


def test_the_innermost_mount_decides(tmp_path: Path) -> None:
    inner = tmp_path / "a b"
    inner.mkdir()
    mounts = tmp_path / "mountinfo"
    escaped = str(inner).replace(" ", "\\040")
    mounts.write_text(
        "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
        f"40 22 0:50 / {escaped} rw,relatime - nfs4 server:/x rw,vers=4.2\n"
    )
    assert kind_of(inner / "deep", mounts) == "nfs4"
    assert kind_of(tmp_path, mounts) == "ext4"
    assert kind_of(tmp_path, tmp_path / "none") is None
