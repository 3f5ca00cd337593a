"""Celery reads what tq signs, and tq what Celery signs.

golden/celery57.json was written by the real Celery: `python plugins/auth/tests/celery_side.py < /dev/null`.
"""

from __future__ import annotations

import datetime as dt
import json
import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest

from plugins.auth.tests.auth_pairs import DAY, make
from tq.errors import DecodeError
from tq.records import Message
from tq.wire.protocol import TaskCall, read_task, write_task
from tq_auth import AuthSerializer
from tq_auth.frame import pack, unpack
from tq_auth.signer import Signer
from tq_auth.trust import TrustStore

HERE = Path(__file__).parent
GOLDEN: dict[str, Any] = json.loads((HERE / "golden" / "celery57.json").read_text("utf-8"))


@pytest.fixture
def certificate(tmp_path: Path) -> str:
    """The certificate of the Celery that wrote the golden messages."""
    file = tmp_path / "celery.pem"
    file.write_text(GOLDEN["certificate"])
    return str(file)


@pytest.mark.parametrize("digest", ["sha256", "sha512"])
def test_what_celery_signed_is_read(certificate: str, digest: str) -> None:
    reader = AuthSerializer(TrustStore(certificate, digest))
    assert [reader.loads(text.encode()) for text in GOLDEN[digest]] == GOLDEN["values"]
    assert unpack(GOLDEN[digest][0].encode()).signer == f"Größe & Söhne celery {2**100 + 1}"


@pytest.mark.parametrize("number", range(len(GOLDEN["values"])))
def test_what_celery_signed_is_written_in_the_same_bytes(number: int) -> None:
    written = GOLDEN["sha256"][number].encode()
    assert pack(unpack(written)) == written


def test_celerys_signature_holds_for_no_other_body(certificate: str) -> None:
    reader = AuthSerializer(TrustStore(certificate))
    first, second = (unpack(text.encode()) for text in GOLDEN["sha256"][:2])
    with pytest.raises(DecodeError, match="bad signature"):
        reader.loads(pack(msgspec.structs.replace(first, body=second.body)))


def test_a_task_that_celery_signed_is_read_unless_a_window_asks_for_a_seal(certificate: str) -> None:
    message = Message(
        {"task": "m.add", "id": "i1"}, {}, GOLDEN["sha256"][0].encode(), "application/data", "utf-8"
    )
    trust = TrustStore(certificate)
    readers = {"application/data": AuthSerializer(trust)}
    assert read_task(message, readers, size_limit=1000).args == [1, 2]
    with pytest.raises(DecodeError, match="without a seal"):
        read_task(message, {"application/data": AuthSerializer(trust, replay_window=9.0)}, size_limit=1000)


@pytest.fixture
def celery(celery_python: Path) -> Path:
    if subprocess.run(
        [celery_python, "-c", "import cryptography"], check=False, capture_output=True
    ).returncode:
        pytest.skip(f"{celery_python} has no cryptography: install celery[auth] there")
    return celery_python


def test_the_real_celery_reads_what_tq_signs_and_the_other_way(celery: Path, tmp_path: Path) -> None:
    now = dt.datetime.now(dt.UTC)
    pair = make(tmp_path, "web", begins=now - DAY, ends=now + DAY)
    signer = Signer.from_files(str(pair.key), None, str(pair.certificate))
    ours = AuthSerializer(TrustStore(str(pair.certificate)), signer)
    call = TaskCall(id="i1", task="m.add", args=["größe"], kwargs={"k": 1})
    values = [["größe", None, 1.5], {"k": {}}]
    question = {
        "key": str(pair.key),
        "certificate": str(pair.certificate),
        "store": str(pair.certificate),
        "digest": "sha256",
        "write": values,
        "read": [body.decode() for body in (write_task(call, ours).body, *map(ours.dumps, values))],
    }
    done = subprocess.run(
        [celery, HERE / "celery_side.py"],
        input=json.dumps(question),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    (args, kwargs, embed), *others = answer["read"]
    assert (args, kwargs, others) == (["größe"], {"k": 1}, values)
    assert {name: item for name, item in embed.items() if name != "tq_seal"} == dict.fromkeys(
        ("callbacks", "errbacks", "chain", "chord")
    )
    assert [ours.loads(text.encode()) for text in answer["written"]] == values
