"""Ids are random UUIDs, whoever asks and however often."""

from __future__ import annotations

import multiprocessing
import threading
import uuid

from tq.wire.ids import new_id


def test_an_id_is_a_version_4_uuid_in_its_usual_spelling() -> None:
    for _ in range(600):
        text = new_id()
        parsed = uuid.UUID(text)
        assert (str(parsed), parsed.version, parsed.variant) == (text, 4, uuid.RFC_4122)


def test_threads_never_share_an_id() -> None:
    made: list[list[str]] = [[] for _ in range(4)]
    threads = [
        threading.Thread(target=lambda mine=mine: mine.extend(new_id() for _ in range(3000))) for mine in made
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set().union(*made)) == 4 * 3000


def test_a_forked_child_does_not_repeat_its_parents_ids() -> None:
    new_id()  # fills the buffer that the child inherits
    fork = multiprocessing.get_context("fork")
    receiver, sender = fork.Pipe(duplex=False)
    child = fork.Process(target=lambda: sender.send([new_id() for _ in range(300)]))
    child.start()
    theirs = receiver.recv()
    child.join()
    assert not set(theirs) & {new_id() for _ in range(300)}
