"""Only what a trusted and valid certificate signed is decoded; all else is refused with the reason."""

from __future__ import annotations

import datetime as dt
import logging
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from plugins.auth.tests.auth_pairs import DAY, NOW, Pair, make, rsa_key
from plugins.auth.tests.conftest import MakeSerializer
from tq.errors import DecodeError, EncodeError, ImproperlyConfigured
from tq.wire.json import JsonSerializer
from tq_auth import AuthSerializer
from tq_auth.frame import pack, unpack
from tq_auth.signer import Signer
from tq_auth.trust import TrustStore


def trust(where: Path, after: dt.timedelta = dt.timedelta(), **options: Any) -> TrustStore:
    return TrustStore(str(where), clock=(NOW + after).timestamp, **options)


def signer(pair: Pair, after: dt.timedelta = dt.timedelta()) -> Signer:
    return Signer.from_files(str(pair.key), None, str(pair.certificate), clock=(NOW + after).timestamp)


def test_what_was_signed_comes_back_and_names_its_signer(serializer: MakeSerializer, web: Pair) -> None:
    written = serializer().dumps({"a": 1})
    assert serializer().loads(written) == {"a": 1}
    assert unpack(written).signer == web.id == "DE web 7"


@pytest.mark.parametrize("field", ["body", "signature", "signer"])
def test_any_change_is_refused_before_anything_is_decoded(
    serializer: MakeSerializer, field: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = unpack(serializer().dumps([1]))
    value = getattr(frame, field)
    changed = value[:-1] + ("?" if isinstance(value, str) else b"?")
    written = pack(msgspec.structs.replace(frame, **{field: changed}))
    decoded: list[bytes] = []
    monkeypatch.setattr(JsonSerializer, "loads", lambda self, data: decoded.append(data))
    with pytest.raises(DecodeError, match="not trusted" if field == "signer" else "bad signature"):
        serializer().loads(written)
    assert decoded == []


@pytest.mark.parametrize("inner", ["application/x-python-serialize", "application/x-yaml", ""])
def test_the_content_type_which_is_not_signed_chooses_no_reader(
    serializer: MakeSerializer, inner: str
) -> None:
    frame = unpack(serializer().dumps([1]))
    with pytest.raises(DecodeError, match="only JSON is taken"):
        serializer().loads(pack(msgspec.structs.replace(frame, content_type=inner)))


def test_a_signer_without_a_certificate_in_the_store_is_refused_with_the_next_step(
    serializer: MakeSerializer, tmp_path: Path
) -> None:
    stranger = make(tmp_path, "stranger")
    with pytest.raises(DecodeError, match=r"'DE stranger 7', who is not trusted .*security_cert_store"):
        serializer().loads(serializer(stranger).dumps([1]))


def test_another_key_under_a_trusted_name_is_refused(serializer: MakeSerializer, tmp_path: Path) -> None:
    (tmp_path / "evil").mkdir()
    imitator = make(tmp_path / "evil", "imitator", common_name="web")
    written = serializer(imitator).dumps([1])
    assert unpack(written).signer == "DE web 7"
    with pytest.raises(DecodeError, match="bad signature"):
        serializer().loads(written)


@pytest.mark.parametrize(("after", "reason"), [(DAY, "expired on 2026-06-02"), (-2 * DAY, "is valid from")])
def test_a_certificate_is_good_only_in_its_time(
    serializer: MakeSerializer, store: Path, after: dt.timedelta, reason: str
) -> None:
    written = serializer().dumps([1])
    with pytest.raises(DecodeError, match=reason):
        AuthSerializer(trust(store, after)).loads(written)


@pytest.mark.parametrize("digest", ["sha384", "sha512"])
def test_both_sides_need_the_same_digest(store: Path, web: Pair, digest: str) -> None:
    strong = Signer.from_files(str(web.key), None, str(web.certificate), digest, clock=NOW.timestamp)
    written = AuthSerializer(trust(store), strong).dumps([1])
    assert AuthSerializer(TrustStore(str(store), digest, clock=NOW.timestamp)).loads(written) == [1]
    with pytest.raises(DecodeError, match="another security_digest than sha256"):
        AuthSerializer(trust(store)).loads(written)


def test_who_has_no_key_reads_and_does_not_write(serializer: MakeSerializer, store: Path) -> None:
    reader = AuthSerializer(trust(store))
    assert reader.loads(serializer().dumps([1])) == [1]
    with pytest.raises(EncodeError, match="set security_key and security_certificate"):
        reader.dumps([1])


# -- rotation ----------------------------------------------------------------------------------------------


def test_the_newest_valid_certificate_signs_and_older_ones_are_trusted_until_they_expire(
    tmp_path: Path,
) -> None:
    old = make(tmp_path, "old", ends=NOW + 10 * DAY)
    new = make(tmp_path, "new", begins=NOW, ends=NOW + 20 * DAY)
    make(tmp_path, "next", begins=NOW + 5 * DAY, ends=NOW + 30 * DAY)
    both = Signer.from_files(str(tmp_path / "*.key"), None, str(tmp_path / "*.pem"), clock=NOW.timestamp)
    assert both.sign(b"x")[0] == new.id
    signed_by_old = AuthSerializer(trust(tmp_path / "old.pem"), signer(old)).dumps([1])
    reader = AuthSerializer(trust(tmp_path / "*.pem"))
    assert reader.loads(signed_by_old) == [1]
    later = AuthSerializer(trust(tmp_path / "*.pem", 11 * DAY))
    with pytest.raises(DecodeError, match="expired"):
        later.loads(signed_by_old)


def test_the_successor_takes_over_while_the_process_runs(tmp_path: Path) -> None:
    make(tmp_path, "old", ends=NOW + DAY)
    make(tmp_path, "new", begins=NOW + DAY / 2, ends=NOW + 9 * DAY)
    now = [NOW.timestamp()]
    both = Signer.from_files(str(tmp_path / "*.key"), None, str(tmp_path / "*.pem"), clock=lambda: now[0])
    assert both.sign(b"x")[0] == "DE old 7"
    now[0] += DAY.total_seconds()
    assert both.sign(b"x")[0] == "DE new 7"
    now[0] += 10 * DAY.total_seconds()
    with pytest.raises(EncodeError, match=r"valid from 2026-06-02 to 2026-06-10; point security_key"):
        both.sign(b"x")


def test_a_certificate_that_is_added_later_is_trusted_and_one_that_is_taken_away_no_more(
    serializer: MakeSerializer, store: Path, tmp_path: Path
) -> None:
    reader = AuthSerializer(trust(store, refresh=0.0, impatient=0.0))
    newcomer = make(tmp_path, "newcomer")
    written = serializer(newcomer).dumps([1])
    with pytest.raises(DecodeError, match="not trusted"):
        reader.loads(written)
    added = store / "newcomer.pem"
    added.write_bytes(newcomer.certificate.read_bytes())
    assert reader.loads(written) == [1]
    added.unlink()
    with pytest.raises(DecodeError, match="not trusted"):
        reader.loads(written)


def test_unknown_signers_do_not_make_it_read_files_all_the_time(
    serializer: MakeSerializer, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = AuthSerializer(trust(store, impatient=3600))
    written = serializer(make(tmp_path, "stranger")).dumps([1])
    reads: list[object] = []
    monkeypatch.setattr("tq_auth.trust._read", reads.append)
    for _ in range(100):
        with pytest.raises(DecodeError):
            reader.loads(written)
    assert reads == []


def test_a_store_that_cannot_be_read_any_more_stays_as_it_was(
    serializer: MakeSerializer, store: Path, caplog: pytest.LogCaptureFixture
) -> None:
    reader = AuthSerializer(trust(store, refresh=0.0))
    written = serializer().dumps([1])
    (store / "broken.pem").write_text("no certificate")
    with caplog.at_level(logging.ERROR, "tq.auth"):
        assert reader.loads(written) == [1]
    assert "stay as they were" in caplog.text
    assert "broken.pem" in caplog.text


# -- files that are wrong ----------------------------------------------------------------------------------


def test_a_key_may_have_a_password(tmp_path: Path) -> None:
    pair = make(tmp_path, "locked", password="open sesame")
    names = str(pair.key), str(pair.certificate)
    opened = Signer.from_files(names[0], "open sesame", names[1], clock=NOW.timestamp)
    assert opened.sign(b"x")[0] == pair.id
    for wrong in (None, "open barley"):
        with pytest.raises(ImproperlyConfigured, match=r"locked\.key .*security_key_password") as caught:
            Signer.from_files(names[0], wrong, names[1])
        assert "barley" not in str(caught.value)


def test_a_key_needs_its_own_certificate(tmp_path: Path) -> None:
    one, other = make(tmp_path, "one"), make(tmp_path, "other")
    with pytest.raises(ImproperlyConfigured, match="belongs to a key"):
        Signer.from_files(str(one.key), None, str(other.certificate))


@pytest.mark.parametrize(
    "key",
    [ec.generate_private_key(ec.SECP256R1()), rsa.generate_private_key(65537, 1024)],
    ids=["ec", "short"],
)
def test_keys_that_the_form_does_not_know_or_that_are_short_are_refused(
    tmp_path: Path, key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
) -> None:
    pair = make(tmp_path, "odd", key=key)
    with pytest.raises(ImproperlyConfigured, match=r"odd\.pem has no RSA key of at least 2048 bits.*openssl"):
        TrustStore(str(pair.certificate))
    with pytest.raises(ImproperlyConfigured):
        Signer.from_files(str(pair.key), None, str(pair.certificate))


def test_two_keys_under_one_name_and_number_are_refused(tmp_path: Path) -> None:
    make(tmp_path, "one", common_name="same")
    make(tmp_path, "two", common_name="same")
    with pytest.raises(ImproperlyConfigured, match=r"one\.pem and .*two\.pem hold different keys"):
        TrustStore(str(tmp_path / "*.pem"))


def test_the_same_certificate_may_lie_there_twice(tmp_path: Path) -> None:
    make(tmp_path, "one", common_name="same")
    make(tmp_path, "two", common_name="same", key=rsa_key("one"))
    assert TrustStore(str(tmp_path / "*.pem"))


@pytest.mark.parametrize("content", [None, "", "no certificate"])
def test_a_store_without_a_certificate_is_an_error_at_once(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "x.pem").write_text(content)
    with pytest.raises(ImproperlyConfigured, match="security_cert_store"):
        TrustStore(str(tmp_path))
