"""URLs, options, groups and errors. moto checks neither keys nor permissions: a stub answers as AWS does."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from plugins.s3.tests.conftest import BUCKET
from tests.processes import eventually
from tests.services.stub import StubServer
from tq.errors import BackendError, BackendUnavailable, ImproperlyConfigured
from tq.records import GroupPart, GroupStart, TaskMeta
from tq.testing.result_kit import success
from tq.wire.ids import new_id
from tq.wire.json import JsonSerializer
from tq_s3 import S3Backend
from tq_s3.options import Options, Place, read_place
from tq_s3.store import Store

Answering = Callable[[int, str], S3Backend]


def backend_of(url: str, **options: Any) -> S3Backend:
    return S3Backend(url, options, serializer=JsonSerializer())


@pytest.fixture
def answering() -> Iterator[Answering]:
    """`answering(status, code)` is a backend on an S3 that refuses everything so."""
    stubs: list[StubServer] = []

    def start(status: int, code: str) -> S3Backend:
        body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>as AWS says it</Message></Error>"
        stubs.append(StubServer(status, body, "application/xml"))
        return backend_of(f"s3://key:s3cret@bucket/p?region=eu-west-1&endpoint_url={stubs[-1].url}")

    yield start
    for stub in stubs:
        stub.close()


@pytest.mark.parametrize(
    ("url", "options", "place"),
    [
        ("s3://bucket", {}, Place("bucket", "")),
        ("s3://bucket/a/b", {}, Place("bucket", "a/b/")),
        ("s3://KEY:SEC%2FRET@bucket/a/", {}, Place("bucket", "a/", "KEY", "SEC/RET")),
        ("s3://KEY:SEC[RET@bucket/a?timeout=3", {}, Place("bucket", "a/", "KEY", "SEC[RET")),
        ("s3://", {"bucket": "other", "base_path": "as-it-stands-"}, Place("other", "as-it-stands-")),
    ],
)
def test_the_place_is_read_from_url_and_options(url: str, options: dict[str, Any], place: Place) -> None:
    assert read_place(url, Options(**options)) == place


def test_a_url_without_a_bucket_or_with_half_a_key_is_refused() -> None:
    with pytest.raises(ImproperlyConfigured, match="names no bucket: write s3://BUCKET/"):
        backend_of("s3://")
    with pytest.raises(ImproperlyConfigured, match="only one of key and secret"):
        backend_of("s3://KEY@bucket")


@pytest.mark.parametrize("secret", ["hush/ret", "12/ret"])
def test_a_slash_in_a_secret_is_explained_and_not_shown(secret: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="%2F") as caught:
        backend_of(f"s3://KEY:{secret}@bucket/p")
    assert not any(part in str(caught.value) for part in (*secret.split("/")[:1], "ret@"))


def test_an_endpoint_without_a_scheme_is_explained() -> None:
    with pytest.raises(ImproperlyConfigured, match="write http://HOST:PORT into the option 'endpoint_url'"):
        backend_of("s3://k:s@bucket", endpoint_url="localhost:9000").get(["a"])


def test_celerys_names_of_settings_are_taken_also_in_the_url() -> None:
    backend = backend_of("s3://?s3_bucket=b&s3_region=eu-west-1", s3_base_path="x/")
    assert (backend.options.bucket, backend.options.region, backend.options.base_path) == (
        "b",
        "eu-west-1",
        "x/",
    )
    with pytest.raises(ImproperlyConfigured, match="did you mean 'bucket'"):
        backend_of("s3://b", s3_buckett="c")


def test_groups_are_refused_when_they_are_used(s3_url: str) -> None:
    backend = backend_of(s3_url)
    for call in (
        lambda: backend.start_group(GroupStart("g", 2)),
        lambda: backend.count([GroupPart("g", 0, "t", "SUCCESS")]),
        lambda: backend.save_group("g", []),
    ):
        with pytest.raises(ImproperlyConfigured, match=r"S3Backend .* cannot count the members of a group"):
            call()


@pytest.mark.parametrize(
    ("status", "code", "kind", "words"),
    [
        (403, "InvalidAccessKeyId", BackendError, "does not accept the access key"),
        (403, "AccessDenied", BackendError, "forbids this to the access key; grant what tq-s3's README"),
        (404, "NoSuchBucket", BackendError, "has no such bucket; make it"),
        (
            400,
            "IllegalLocationConstraintException",
            BackendError,
            "is in another region; set the option 'region'",
        ),
        (503, "SlowDown", BackendUnavailable, "too busy or in trouble"),
    ],
)
def test_a_refusal_is_explained(
    answering: Answering, status: int, code: str, kind: type[BackendError], words: str
) -> None:
    backend = answering(status, code)
    for call in (
        lambda: backend.get(["one"]),
        lambda: backend.store([success("one")]),
        lambda: backend.store([TaskMeta("one", "STARTED")]),
        lambda: backend.cleanup(),
    ):
        with pytest.raises(BackendError, match=words) as caught:
            call()
        assert type(caught.value) is kind
        assert "s3cret" not in "".join(traceback.format_exception(caught.value)) + caught.value.url


def test_a_missing_bucket_is_said(s3_url: str) -> None:
    with pytest.raises(BackendError, match="has no such bucket"):
        backend_of(s3_url.replace(BUCKET, "no-such-bucket")).store([success("one")])


def test_no_keys_at_all_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(BackendError, match="no access key was found for s3://bucket"):
        backend_of("s3://bucket").get(["one"])


def test_a_missing_boto3_is_said_with_the_command_that_brings_it(
    monkeypatch: pytest.MonkeyPatch, s3_url: str
) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(ImproperlyConfigured, match=r'needs boto3.*pip install "tq\[s3\]"'):
        backend_of(s3_url).get(["one"])


def test_a_task_id_that_no_key_can_hold_is_refused(s3_url: str) -> None:
    with pytest.raises(BackendError, match="too long for a key of S3"):
        backend_of(s3_url).store([success("ö" * 600)])


def test_cleanup_reads_page_by_page_and_touches_results_alone(
    s3_url: str, s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Store._run

    def small_pages(self: Store, doing: str, operation: str, **arguments: Any) -> dict[str, Any]:
        more = {"MaxKeys": 2} if operation == "list_objects_v2" else {}
        return run(self, doing, operation, **arguments, **more)

    monkeypatch.setattr(Store, "_run", small_pages)
    backend = S3Backend(s3_url, {}, serializer=JsonSerializer(), expires=0.001)
    backend.store([success(new_id()) for _ in range(5)])
    s3.put_object(Bucket=BUCKET, Key="shop/not-ours", Body=b"")
    gone: list[int] = []

    def all_gone() -> bool:
        gone.append(backend.cleanup())
        return sum(gone) == 5

    eventually(all_gone, "all of them expire")
    assert [each["Key"] for each in s3.list_objects_v2(Bucket=BUCKET)["Contents"]] == ["shop/not-ours"]
