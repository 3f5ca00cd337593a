"""`celery.chord_unlock`, by which Celery's clients complete chords on stores that do not count."""

from __future__ import annotations

from typing import Any

import pytest

from core.tests.canvas.stage import Stage
from tq import TQ, group
from tq.testing.waiting import eventually


@pytest.fixture
def add(app: TQ) -> Any:
    return app.task(name="add")(lambda x, y: x + y)


@pytest.fixture
def boom(app: TQ) -> Any:
    return app.task(name="boom")(lambda: 1 / 0)


def unlock(app: TQ, members: Any, body: Any) -> None:
    """What a Celery client sends besides the members."""
    result = [member.as_tuple() for member in members]
    app.send_task("celery.chord_unlock", (members.id, body), {"result": result, "interval": 0.01, "_x": 1})


def until(app: TQ, result: Any) -> Any:
    def done() -> bool:
        Stage(app).drain()
        return bool(result.ready())

    eventually(done, f"the end of {result}")
    return result


@pytest.fixture
def total(app: TQ) -> Any:
    def total(values: Any) -> Any:
        return sum(map(total, values)) if isinstance(values, list) else values

    return app.task(name="total")(total)


def test_the_body_runs_when_all_members_have_ended(app: TQ, add: Any, total: Any) -> None:
    members = group(add.s(1, 1), add.s(2, 2) | add.s(3), add.s(1, 0) | group(add.s(1), add.s(2)))
    body = total.s()
    sent = body.freeze()
    unlock(app, members.delay(), body)
    assert until(app, sent).get() == 2 + 7 + 2 + 3


def test_it_looks_again_until_they_have_ended(app: TQ, add: Any, total: Any) -> None:
    body = total.s()
    sent = body.freeze()
    members = group(add.s(1, 1), add.s(2, 2).set(countdown=0.3)).delay()
    unlock(app, members, body)
    assert until(app, sent).get() == 6


def test_a_member_that_fails_ends_the_chord_at_once(app: TQ, add: Any, boom: Any, total: Any) -> None:
    body = total.s()
    sent = body.freeze()
    members = group(boom.s(), add.s(2, 2).set(countdown=1000)).delay()
    unlock(app, members, body)
    found = until(app, sent).get(propagate=False)
    assert str(found) == f"Dependency {members[0].id} raised ZeroDivisionError('division by zero')"


def test_it_looks_no_more_often_than_it_was_told(app: TQ, add: Any, total: Any) -> None:
    members = group(add.s(1, 1).set(countdown=1000)).delay()
    result = [member.as_tuple() for member in members]
    body = total.s()
    sent = app.send_task(
        "celery.chord_unlock",
        (members.id, body),
        {"result": result, "interval": 0, "max_retries": 2},
        ignore_result=False,
    )
    until(app, sent)
    assert "was retried 2 times" in str(sent.get(propagate=False))
