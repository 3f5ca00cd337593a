"""Signatures: copies, merges and what travels in messages."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.tests.canvas.stage import Stage
from tq import TQ, Signature, chain, chunks
from tq.errors import ImproperlyConfigured, NotRegistered
from tq.wire.json import JsonSerializer

VALUES = st.none() | st.booleans() | st.integers(-100, 100) | st.text(max_size=5)
ARGS = st.lists(VALUES, max_size=4).map(tuple)
KWARGS = st.dictionaries(st.sampled_from("abcd"), VALUES, max_size=3)
OPTIONS = st.fixed_dictionaries(
    {}, optional={"queue": st.text("qr", min_size=1), "countdown": st.integers(0, 9)}
)


@st.composite
def signatures(draw: st.DrawFn, *, immutable: bool | None = None) -> Signature:
    fixed = draw(st.booleans()) if immutable is None else immutable
    return Signature("t", draw(ARGS), draw(KWARGS), draw(OPTIONS), immutable=fixed)


@given(signature=signatures())
def test_a_clone_is_equal_and_shares_no_options(signature: Signature) -> None:
    before = copy.deepcopy(dict(signature))
    other = signature.clone()
    assert other == signature
    other.set(countdown=77).link(Signature("u"))
    other["args"] = ("changed",)
    assert dict(signature) == before


@given(signature=signatures(immutable=False), first=ARGS, second=ARGS, one=KWARGS, two=KWARGS)
def test_two_clones_are_one_clone_of_both(
    signature: Signature, first: Any, second: Any, one: dict[str, Any], two: dict[str, Any]
) -> None:
    in_steps = signature.clone(first, one).clone(second, two)
    assert in_steps == signature.clone((*second, *first), {**one, **two})


@given(signature=signatures(), args=ARGS, kwargs=KWARGS, options=OPTIONS)
def test_new_arguments_come_first_and_new_options_win(
    signature: Signature, args: Any, kwargs: dict[str, Any], options: dict[str, Any]
) -> None:
    more = signature.clone(args, kwargs, **options)
    assert more.options == {**signature.options, **options}
    if signature.immutable:
        assert (more.args, more.kwargs) == (signature.args, signature.kwargs)
    else:
        assert more.args == (*args, *signature.args)
        assert more.kwargs == {**signature.kwargs, **kwargs}


@given(signature=signatures())
def test_it_comes_back_from_a_message_as_it_was(signature: Signature) -> None:
    json = JsonSerializer()
    back = Signature(json.loads(json.dumps(signature)))
    assert tuple(back.args) == signature.args
    assert {**back, "args": None} == {**signature, "args": None}


def test_callbacks_add_up_in_their_order() -> None:
    first, second, errback = Signature("b"), Signature("c"), Signature("e")
    signature = Signature("a")
    assert signature.link(first) is first
    assert signature.link(second) is second
    assert signature.on_error(errback) is signature
    assert signature.options == {"link": [first, second], "link_error": [errback]}


def test_a_clone_can_be_linked_without_changing_the_original() -> None:
    original = Signature("a")
    original.link(Signature("b"))
    original.clone().link(Signature("c"))
    assert [callback["task"] for callback in original.options["link"]] == ["b"]


def test_a_signature_of_no_app_says_how_to_get_one() -> None:
    with pytest.raises(ImproperlyConfigured, match=r"'a' belongs to no app; use app\.signature"):
        Signature("a").delay()


def test_an_app_reads_a_dictionary_and_adds_to_it() -> None:
    app = TQ("signatures", broker="memory://signatures", set_as_current=False)
    made = app.signature(
        {"task": "a", "args": [2], "kwargs": {}, "options": {"queue": "q"}}, (1,), countdown=3
    )
    assert made.args == (1, 2)
    assert made.options == {"queue": "q", "countdown": 3}
    with pytest.raises(TypeError, match="did you mean 'countdown'"):
        app.signature("a", countdwn=3)  # type: ignore[call-arg]


def test_it_reads_as_the_call_that_it_is() -> None:
    assert repr(Signature("shop.add", (1, "x"), {"y": 2})) == "shop.add(1, 'x', y=2)"


def test_a_dictionary_becomes_a_signature_of_its_kind(app: TQ) -> None:
    add = app.task(name="add")(lambda x, y: x + y)
    found = Signature.from_dict(dict(add.s(1, 2)), app)
    assert (found.type, found.subtask_type, found(), found) == (app.tasks["add"], None, 3, add.s(1, 2))
    whole = Signature.from_dict({**(add.s(1, 2) | add.s(3))}, app)
    assert (type(whole), whole.subtask_type) == (chain, "chain")
    with pytest.raises(NotRegistered):
        _ = app.signature("nowhere").type


def test_lists_among_options_grow(app: TQ) -> None:
    one = app.signature("t")
    other = one.clone()
    assert one.append_to_list_option("link", other) is other
    one.append_to_list_option("link", other)
    one.extend_list_option("link_error", [other, other])
    assert (one.options["link"], one.options["link_error"], other.options) == ([other], [other, other], {})


def test_chunks_can_be_sent_by_their_class(app: TQ) -> None:
    add = app.task(name="add")(lambda x, y: x + y)
    sent = chunks.apply_chunks(add.s(), [(1, 1), (2, 2), (3, 3)], 2, app=app)
    Stage(app).drain()
    assert sent.get(timeout=5) == [[2, 4], [6]]
