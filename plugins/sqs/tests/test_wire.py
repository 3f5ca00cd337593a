"""Names, addresses and bodies are Celery's. `GOLDEN` is what Celery 5.7.0 sent for `add.apply_async((2, 3))`."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tq.errors import ImproperlyConfigured
from tq.records import Envelope, Message, Undecodable
from tq.wire.envelope import unpack
from tq_sqs.address import Address, read_address
from tq_sqs.messages import parcel_of, raw_of, read, text_attribute
from tq_sqs.names import sqs_name
from tq_sqs.options import Options

GOLDEN = (
    "eyJib2R5IjogIlcxc3lMQ0F6WFN3Z2UzMHNJSHNpWTJGc2JHSmhZMnR6SWpvZ2JuVnNiQ3dnSW1WeWNtSmhZMnR6SWpvZ2JuVnNi"
    "Q3dnSW1Ob1lXbHVJam9nYm5Wc2JDd2dJbU5vYjNKa0lqb2diblZzYkgxZCIsICJjb250ZW50LWVuY29kaW5nIjogInV0Zi04Iiwg"
    "ImNvbnRlbnQtdHlwZSI6ICJhcHBsaWNhdGlvbi9qc29uIiwgImhlYWRlcnMiOiB7ImxhbmciOiAicHkiLCAidGFzayI6ICJhZGQi"
    "LCAiaWQiOiAiZ29sZGVuLTEiLCAic2hhZG93IjogbnVsbCwgImV0YSI6IG51bGwsICJleHBpcmVzIjogbnVsbCwgImdyb3VwIjog"
    "bnVsbCwgImdyb3VwX2luZGV4IjogbnVsbCwgInJldHJpZXMiOiAwLCAidGltZWxpbWl0IjogW251bGwsIG51bGxdLCAicm9vdF9p"
    "ZCI6ICJnb2xkZW4tMSIsICJwYXJlbnRfaWQiOiBudWxsLCAiYXJnc3JlcHIiOiAiKDIsIDMpIiwgImt3YXJnc3JlcHIiOiAie30i"
    "LCAib3JpZ2luIjogImdlbjg5MDhAaG9zdCIsICJpZ25vcmVfcmVzdWx0IjogZmFsc2UsICJyZXBsYWNlZF90YXNrX25lc3Rpbmci"
    "OiAwLCAic3RhbXBlZF9oZWFkZXJzIjogbnVsbCwgInN0YW1wcyI6IHt9fSwgInByb3BlcnRpZXMiOiB7ImNvcnJlbGF0aW9uX2lk"
    "IjogImdvbGRlbi0xIiwgInJlcGx5X3RvIjogIjNmZTM5Njg1LWI0ZDQtM2VhNi04MmM1LWJkOWU3YTY3MDVkNCIsICJkZWxpdmVy"
    "eV9tb2RlIjogMiwgImRlbGl2ZXJ5X2luZm8iOiB7ImV4Y2hhbmdlIjogIiIsICJyb3V0aW5nX2tleSI6ICJteS5kb3R0ZWQifSwg"
    "InByaW9yaXR5IjogMCwgImJvZHlfZW5jb2RpbmciOiAiYmFzZTY0IiwgImRlbGl2ZXJ5X3RhZyI6ICJkNTRmYjJjOS1kZjRmLTRh"
    "YzItYTgzZC1lYmI4M2IzMjM0ZjgifX0="
)


def test_a_message_of_celery_is_read() -> None:
    message, size = read(GOLDEN)
    assert isinstance(message, Message)
    assert (message.headers["task"], message.headers["id"]) == ("add", "golden-1")
    assert json.loads(message.body)[:2] == [[2, 3], {}]
    assert message.properties["delivery_info"] == {"exchange": "", "routing_key": "my.dotted"}
    assert size == len(base64.b64decode(GOLDEN))


def test_a_message_of_ours_has_the_form_of_celerys() -> None:
    message, _ = read(GOLDEN)
    assert isinstance(message, Message)
    ours = parcel_of(Envelope(message, "my.dotted"), base64_body=True).body
    one, two = (json.loads(base64.b64decode(body)) for body in (ours, GOLDEN))
    assert one["properties"].pop("delivery_tag") != two["properties"].pop("delivery_tag")
    assert one == two


def test_a_plain_body_and_garbage_are_read() -> None:
    plain = base64.b64decode(GOLDEN).decode()
    assert read(plain)[0] == read(GOLDEN)[0]
    for garbage in ("no base64!", "e30", "{}", '{"body": 7}', "größe"):
        message, _ = read(garbage)
        assert isinstance(message, Undecodable)
        assert message.reason


@given(st.binary())
def test_any_bytes_in_base64_are_given_back(raw: bytes) -> None:
    assert raw_of(base64.b64encode(raw).decode()) == raw
    unpack(raw)


@given(st.text())
def test_a_reason_holds_nothing_that_xml_cannot_hold(text: str) -> None:
    kept = text_attribute(text)["StringValue"]
    assert len(kept) == len(text)
    assert not any(ord(c) < 32 and c not in "\t\n\r" for c in kept)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("celery", "celery"),
        ("my.dotted", "my-dotted"),
        ("my.dotted.fifo", "my-dotted.fifo"),
        ("a/b:c@d", "a_b_c_d"),
        ("a-b_c", "a-b_c"),
    ],
)
def test_names_are_translated_as_celery_does(name: str, expected: str) -> None:
    assert sqs_name(name) == expected


def test_what_sqs_would_refuse_stays_apart() -> None:
    strange = [sqs_name(name) for name in ("größe", "grüße", "q" * 100, "q" * 101, "任务", "a b")]
    assert len(set(strange)) == len(strange)
    assert all(len(name) <= 80 and name.isascii() for name in strange)
    assert sqs_name("q" * 100 + ".fifo", suffix="-dead").endswith("-dead.fifo")
    assert len(sqs_name("q" * 100 + ".fifo", suffix="-dead")) == 80


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("sqs://", Address()),
        ("sqs://KEY:SEC%2FRET@", Address(key="KEY", secret="SEC/RET")),
        ("sqs://eu-west-1", Address(region="eu-west-1")),
        ("sqs://eusc-de-east-1", Address(region="eusc-de-east-1")),
        ("sqs://KEY:SECRET@us-gov-east-1/", Address(None, "us-gov-east-1", "KEY", "SECRET")),
        ("sqs://KEY:SECRET@localhost:4566//", Address("http://localhost:4566", None, "KEY", "SECRET")),
        ("sqs://sqs.eu-west-1.amazonaws.com/", Address("https://sqs.eu-west-1.amazonaws.com")),
    ],
)
def test_addresses_are_read_as_celery_writes_them(url: str, address: Address) -> None:
    assert read_address(url, Options()) == address


def test_options_add_to_the_address() -> None:
    options = Options(region="eu-west-1", is_secure=True)
    assert read_address("sqs://emulator:9324", options) == Address("https://emulator:9324", "eu-west-1")
    options = Options(endpoint_url="https://vpce-1.example.com")
    assert read_address("sqs://eu-west-1", options) == Address("https://vpce-1.example.com", "eu-west-1")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("sqs://KEY@", "only one of key and secret"),
        ("sqs://KEY:SEC/RET@host", "%2F"),
        ("sqs://KEY:0/RET@host", "%2F"),
        ("sqs://host:65536/", "no valid port"),
        ("sqs://host:port/", "no valid port"),
    ],
)
def test_bad_addresses_are_refused_without_the_secret(url: str, words: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=words) as caught:
        read_address(url, Options())
    assert "RET" not in str(caught.value)
