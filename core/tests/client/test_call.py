"""From options to a call."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tq import Signature
from tq.client.call import CALL_OPTIONS, NO_OPTIONS, CallOptions, make_call
from tq.client.keywords import CallKeywords
from tq.errors import InvalidTask
from tq.request import Request
from tq.wire.call import TaskCall
from tq.wire.isotime import parse_iso

NOW = 1_800_000_000.0
ZONE = dt.timezone(dt.timedelta(hours=2))


def make(parent: Request | None = None, **options: Any) -> tuple[TaskCall, float]:
    return make_call(
        "t", (1,), {"a": 2}, CallOptions(**options), now=NOW, reply_to="me", parent=parent, zone=ZONE
    )


def test_without_options_a_call_is_its_own_root() -> None:
    call, delay = make_call("t", (1,), {}, NO_OPTIONS, now=NOW, reply_to="me", ignore_result=True)
    assert call == TaskCall(call.id, "t", (1,), {}, root_id=call.id, ignore_result=True, reply_to="me")
    assert delay == 0


def test_the_short_way_and_the_long_way_make_the_same_call() -> None:
    short, _ = make_call("t", (1,), {}, NO_OPTIONS, now=NOW, reply_to="me")
    long, _ = make_call("t", (1,), {}, CallOptions(task_id=short.id), now=NOW, reply_to="me")
    assert short == long


@given(countdown=st.floats(0.001, 1e7))
def test_a_countdown_is_an_eta_and_a_delay(countdown: float) -> None:
    call, delay = make(countdown=countdown)
    assert call.eta is not None
    assert delay == pytest.approx(countdown, abs=1e-3)
    assert parse_iso(call.eta) == pytest.approx(NOW + countdown, abs=1e-3)


@given(seconds=st.floats(-1e7, 1e7), form=st.sampled_from(["aware", "naive", "iso", "naive iso"]))
def test_an_eta_means_the_same_moment_in_each_form(seconds: float, form: str) -> None:
    moment = dt.datetime.fromtimestamp(NOW + seconds, ZONE)
    if form.startswith("naive"):
        moment = moment.replace(tzinfo=None)
    call, delay = make(eta=moment.isoformat() if form.endswith("iso") else moment)
    assert call.eta is not None
    assert parse_iso(call.eta) == pytest.approx(NOW + seconds, abs=1e-3)
    assert delay == pytest.approx(max(0.0, seconds), abs=1e-3)


@pytest.mark.parametrize(
    "expires",
    [
        60,
        60.0,
        dt.timedelta(minutes=1),
        dt.datetime.fromtimestamp(NOW + 60, dt.UTC),
        dt.datetime.fromtimestamp(NOW + 60, ZONE).replace(tzinfo=None),
        dt.datetime.fromtimestamp(NOW + 60, ZONE).isoformat(),
    ],
)
def test_expires_means_the_same_moment_in_each_form(expires: Any) -> None:
    call, delay = make(expires=expires)
    assert call.expires is not None
    assert parse_iso(call.expires) == NOW + 60
    assert delay == 0


def test_a_call_from_within_a_task_belongs_to_its_tree() -> None:
    parent = Request(TaskCall("p", "outer", root_id="r"))
    call, _ = make(parent)
    assert (call.root_id, call.parent_id) == ("r", "p")
    call, _ = make(parent, root_id="x", parent_id="y")
    assert (call.root_id, call.parent_id) == ("x", "y")
    orphan, _ = make(Request(TaskCall("p", "outer")))
    assert (orphan.root_id, orphan.parent_id) == ("p", "p")


def test_signatures_may_be_given_alone_or_as_a_list() -> None:
    one, two = Signature("a"), Signature("b")
    assert make(link=one)[0].callbacks == [dict(one)]
    assert make(link=[one, two], link_error=(two,))[0].callbacks == [dict(one), dict(two)]
    assert make(link_error=(two,))[0].errbacks == [dict(two)]
    assert make(link=[], link_error=None)[0].callbacks is None


def test_every_option_of_the_message_arrives_in_it() -> None:
    call, _ = make(
        task_id="id",
        time_limit=5,
        soft_time_limit=4.5,
        group_id="g",
        group_index=2,
        shadow="s",
        reply_to="other",
        retries=3,
        ignore_result=True,
        headers={"tenant": "x"},
        priority=0,
        chord={"task": "body"},
        argsrepr="(...)",
        kwargsrepr="{...}",
        replaced_task_nesting=1,
        stamped_headers=["a"],
    )
    assert call == TaskCall(
        "id", "t", (1,), {"a": 2}, None, None, None, {"task": "body"}, None, None, 3, 5, 4.5, "g", 2, "id",
        None, "s", True, "other", argsrepr="(...)", kwargsrepr="{...}", replaced_task_nesting=1,
        stamped_headers=["a"], priority=0, headers={"tenant": "x"},
    )  # fmt: skip


@pytest.mark.parametrize("priority", range(10))
def test_priorities_are_0_to_9(priority: int) -> None:
    assert make(priority=priority)[0].priority == priority


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"priority": 10}, "0 to 9"),
        ({"priority": -1}, "0 to 9"),
        ({"priority": True}, "0 to 9"),
        ({"priority": "high"}, "'high'"),
        ({"task_id": 5}, "task_id must be text"),
        ({"eta": 5}, "eta must be"),
        ({"eta": "soon"}, "eta 'soon'"),
        ({"countdown": "5"}, "countdown must be"),
        ({"countdown": 1e300}, "countdown must be"),
        ({"expires": [1]}, "expires must be"),
        ({"link": "task.name"}, "link takes signatures"),
        ({"link_error": [1]}, "link_error takes signatures"),
    ],
)
def test_a_wrong_option_is_refused_by_name(options: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidTask, match=says):
        make(**options)


def test_type_checkers_see_the_options_that_there_are() -> None:
    assert CallKeywords.__optional_keys__ == CALL_OPTIONS
