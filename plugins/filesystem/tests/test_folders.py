"""Folders, options, names and errors."""

from __future__ import annotations

import errno
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tq.errors import (
    BackendError,
    BackendUnavailable,
    BrokerError,
    BrokerUnavailable,
    ImproperlyConfigured,
    PublishError,
)
from tq.records import Action, GroupPart, GroupStart, Settlement, TaskMeta
from tq.testing.broker_kit import BrokerKit, envelope, ids, names, settle
from tq.testing.result_kit import success
from tq.wire.json import JsonSerializer
from tq_filesystem import FilesystemBackend, FilesystemBroker
from tq_filesystem.files import Files
from tq_filesystem.labels import Lent, key_of, name_of, new_label, read_label, read_lent
from tq_filesystem.place import Place


def results(folder: Path, expires: float | None = 60.0, **options: Any) -> FilesystemBackend:
    """A backend on that folder."""
    return FilesystemBackend(f"file://{folder}", options, serializer=JsonSerializer(), expires=expires)


def kit_on(folder: Path, **options: Any) -> BrokerKit:
    """Brokers on that folder."""
    return BrokerKit(FilesystemBroker, f"filesystem://{folder}", options, 1.0)


@given(st.text(max_size=200), st.integers(0, 9), st.integers(0, 2**62), st.integers(0, 10**5))
def test_names_of_files_say_what_they_were_made_of(queue: str, priority: int, now: int, number: int) -> None:
    label = new_label(priority, now, number)
    assert read_label(str(label)) == label
    key = key_of(queue)
    assert name_of(key) in (queue, None)
    lent = Lent(number, "0", key, label)
    assert read_lent(str(lent)) == lent
    assert len(str(lent).encode()) < 200
    assert "/" not in str(lent)


def test_half_a_surrogate_pair_ends_no_child_and_spoils_no_neighbour(tmp_path: Path) -> None:
    kit, half = kit_on(tmp_path), "a\ud800b"
    broker = kit.broker()
    refused, accepted = broker.publish([envelope(half, "odd"), envelope("q", "one")], timeout=1)
    assert isinstance(refused, BrokerError) and accepted is None
    kit.send(broker, "q", "two")
    consumer = kit.consumer(broker, "q")
    first, second = kit.take(consumer, 2)
    with pytest.raises(PublishError, match="surrogates"):
        consumer.settle([Settlement(first, publish=(envelope(half, "odd"),))])
    assert consumer.settle([Settlement(second, Action.DEAD, reason=half, publish=(envelope("next", "n"),))])
    (letter,) = broker.dead_letters("q")
    assert (letter.reason, broker.stats("next").ready) == ("a\\ud800b", 1)
    backend = results(tmp_path / "results")
    backend.store([TaskMeta(half, "FAILURE", half, traceback=half)])
    assert backend.get([half])[half].traceback == half


def test_a_folder_may_be_an_option_under_celerys_name(tmp_path: Path) -> None:
    folder = str(tmp_path / "a folder")
    for options in ({"folder": folder}, {"data_folder_in": folder, "data_folder_out": folder}):
        broker = FilesystemBroker("filesystem://", options)
        assert broker.publish([envelope("q", "one")], timeout=1) == [None]
    broker = FilesystemBroker(f"filesystem://localhost{tmp_path}/a%20folder")
    assert broker.stats("q").ready == 2


@pytest.mark.parametrize(
    ("url", "options", "words"),
    [
        ("filesystem://", {}, "names no folder"),
        ("filesystem://", {"data_folder_in": "a", "data_folder_out": "b"}, "give both the same"),
        ("filesystem://me:s3cret@host/a", {}, "has a user"),
        ("filesystem:///a", {"store_processed": True}, "leave it out"),
        ("filesystem:///a?control_folder=b", {}, "leave it out"),
        ("filesystem:///a?mode=9", {}, "three octal digits"),
    ],
)
def test_what_cannot_be_is_refused(url: str, options: dict[str, Any], words: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=words) as caught:
        FilesystemBroker(url, options)
    assert "s3cret" not in str(caught.value)


def test_a_backend_without_a_folder_is_refused() -> None:
    with pytest.raises(ImproperlyConfigured, match="write file:///path"):
        FilesystemBackend("file://", serializer=JsonSerializer())


def test_permissions_are_those_of_the_option(tmp_path: Path) -> None:
    kit_on(tmp_path / "own").send(FilesystemBroker(f"filesystem://{tmp_path}/own"), "q", "one")
    assert (tmp_path / "own" / "queues").stat().st_mode & 0o777 == 0o700
    broker = FilesystemBroker(f"filesystem://{tmp_path}/shared?mode=770&fsync=true")
    broker.publish([envelope("q", "one")], timeout=1)
    (message,) = (tmp_path / "shared" / "queues" / "q" / "ready").iterdir()
    mask = os.umask(0)
    os.umask(mask)
    assert message.stat().st_mode & 0o777 == 0o660 & ~mask


def test_a_path_that_is_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    broker = FilesystemBroker(f"filesystem://{tmp_path}/file/tq")
    (error,) = broker.publish([envelope("q", "one")], timeout=1)
    assert isinstance(error, BrokerError) and not isinstance(error, BrokerUnavailable)
    assert "a part of the path is a file" in str(error)
    with pytest.raises(BackendError, match="a part of the path is a file"):
        results(tmp_path / "file" / "x").store([success("a")])


@pytest.mark.parametrize(
    ("number", "temporary", "words"),
    [
        (errno.ENOSPC, True, "make room"),
        (errno.EIO, True, "check that the disk"),
        (errno.EACCES, False, "the rights to read and write"),
        (errno.EROFS, False, "mounted for reading only"),
    ],
)
def test_what_the_disk_answers_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, temporary: bool, words: str
) -> None:
    broker, backend = FilesystemBroker(f"filesystem://{tmp_path}/b"), results(tmp_path / "r")
    assert broker.publish([envelope("q", "before")], timeout=1) == [None]

    def fails(self: Files, data: bytes) -> Path:
        raise OSError(number, os.strerror(number), str(tmp_path))

    monkeypatch.setattr(Files, "write", fails)
    (error,) = broker.publish([envelope("q", "one")], timeout=1)
    assert isinstance(error, BrokerError)
    assert isinstance(error, BrokerUnavailable) == temporary
    assert words in str(error) and str(tmp_path) in str(error)
    with pytest.raises(BackendError, match=words) as caught:
        backend.store([success("a")])
    assert isinstance(caught.value, BackendUnavailable) == temporary


def test_files_of_others_are_left_alone(tmp_path: Path) -> None:
    kit = kit_on(tmp_path)
    broker = kit.broker()
    kit.send(broker, "q", "one")
    queue = tmp_path / "queues" / "q"
    foreign = [queue / folder / "1700_uuid.q.msg" for folder in ("ready", "delayed", "dead")]
    for path in foreign:
        path.write_bytes(b"{}")
    consumer = kit.consumer(broker, "q")
    broker.maintain(["q"])
    assert ids(consumer.receive(9, 0.0)) == ["one"]
    assert broker.dead_letters("q") == []
    assert all(path.exists() for path in foreign)
    kit.close()


def test_the_bell_does_not_grow_for_ever(tmp_path: Path) -> None:
    kit = kit_on(tmp_path)
    broker = kit.broker()
    consumer = kit.consumer(broker, "q")
    kit.send(broker, "q", "one")
    bell = tmp_path / "queues" / "q" / "bell"
    bell.write_bytes(b"." * (2**20 - 1))
    assert ids(kit.take(consumer, 1)) == ["one"]
    kit.send(broker, "q", "two")
    assert bell.stat().st_size == 0
    assert ids(kit.take(consumer, 1)) == ["two"]
    kit.close()


def test_marks_of_yesterday_are_forgotten(tmp_path: Path) -> None:
    kit = kit_on(tmp_path)
    broker = kit.broker()
    (name,) = names(1)
    kit.send(broker, "q", name, unique=True)
    consumer = kit.consumer(broker, "q", consumer_id="once")
    settle(consumer, kit.take(consumer, 1))
    consumer.close()
    with pytest.raises(BrokerError, match="was used before"):
        broker.consumer(["q"], "once", lease=1)
    old = time.time() - 2 * 86400
    for folder in ("unique", "past"):
        for path in (tmp_path / folder).iterdir():
            os.utime(path, (old, old))
    kit.broker().maintain(["q"])
    kit.send(broker, "q", name, unique=True)
    assert ids(kit.take(kit.consumer(broker, "q", consumer_id="once"), 1)) == [name]
    kit.close()


def test_a_message_that_came_too_late_into_a_dead_consumers_folder_goes_back(tmp_path: Path) -> None:
    kit = kit_on(tmp_path)
    broker = kit.broker()
    kit.send(broker, "q", "one")
    ended = tmp_path / "ended" / "slow"
    ended.mkdir()
    (waiting,) = (tmp_path / "queues" / "q" / "ready").iterdir()
    waiting.rename(ended / f"7.abc.q.{waiting.name}")
    assert list(broker.maintain(["q"])) == []
    (delivery,) = kit.take(kit.consumer(broker, "q"), 1)
    assert (ids([delivery]), delivery.attempt) == (["one"], 1)
    assert not ended.exists()
    kit.close()


def test_a_document_that_celery_is_just_writing_is_read_when_it_is_whole(tmp_path: Path) -> None:
    backend = results(tmp_path)
    backend.store([success("a", 1)])
    path = tmp_path / "celery-task-meta-a"
    whole = path.read_bytes()
    path.write_bytes(whole[:10])
    timer = threading.Timer(0.02, path.write_bytes, [whole])
    timer.start()
    found = backend.wait(["a"], 30)
    timer.join()
    assert found["a"].result == 1
    path.write_bytes(b"{")
    with pytest.raises(BackendError, match="task a cannot be read"):
        backend.get(["a"])


def test_groups_and_saved_groups_expire_like_results(tmp_path: Path) -> None:
    backend = results(tmp_path, expires=60)
    backend.store([success("a", 1), TaskMeta("b", "STARTED")])
    backend.start_group(GroupStart("old", 2))
    backend.start_group(GroupStart("young", 2))
    backend.count([GroupPart("old", 0, "t", "SUCCESS", 1)])
    backend.save_group("g", [["g", None], []])
    (tmp_path / "something else").write_text("stays")
    assert backend.cleanup() == 0
    past = time.time() - 100
    for path in tmp_path.rglob("*"):
        if ".tq/tmp" not in str(path):
            os.utime(path, (past, past))
    backend.start_group(GroupStart("young", 2), fresh=True)
    assert backend.cleanup() == 4
    assert backend.get(["a", "b"]) == {}
    assert backend.load_group("g") is None
    assert backend.count([GroupPart("old", 1, "t", "SUCCESS", 1)])[0].claimed is False
    assert backend.count([GroupPart("young", i, "t", "SUCCESS", 1) for i in range(2)])[1].claimed
    assert (tmp_path / "something else").exists()


def test_a_name_that_no_file_can_have_is_a_digest(tmp_path: Path) -> None:
    backend = results(tmp_path)
    backend.store([success("a/b", 1), success("../up", 2), success("plain id", 3)])
    found = sorted(path.name for path in tmp_path.iterdir() if path.name != ".tq")
    assert found[0] == "celery-task-meta-plain id"
    assert all(name.startswith("celery-task-meta-sha256-") for name in found[1:])


def test_the_clock_is_that_of_the_file_system(tmp_path: Path) -> None:
    place = Place(tmp_path, sync=False, mode=0o700)
    assert abs(place.now() - time.time()) < 60
