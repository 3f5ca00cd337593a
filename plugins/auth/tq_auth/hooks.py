"""The settings of this plugin, and what it has to see of the tasks that run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec

from tq.contracts.hooks import ExtraSetting, RequestInfo, hookimpl
from tq_auth.ran import RAN
from tq_auth.seal import NONCE


@hookimpl
def tq_settings() -> Sequence[ExtraSetting]:
    """Celery's names, and `security_replay_window`."""
    return SETTINGS


@hookimpl
def task_prerun(request: RequestInfo) -> None:
    """From now on a copy of this message is one too many."""
    nonce = request.headers.get(NONCE)
    if type(nonce) is str:
        RAN.add(nonce)


@hookimpl
def task_rejected(request: RequestInfo, requeue: bool) -> None:
    """The body gave it back: the same message will come again."""
    nonce = request.headers.get(NONCE)
    if requeue and type(nonce) is str:
        RAN.discard(nonce)


SETTINGS = (
    ExtraSetting(
        name="security_key",
        type=str | None,
        doc="Private RSA key (PEM) to sign with: a file, or a folder or pattern of several. Without one this "
        "process only verifies.",
    ),
    ExtraSetting(
        name="security_key_password",
        type=str | None,
        doc="Password of the private key.",
        secret=True,
    ),
    ExtraSetting(
        name="security_certificate",
        type=str | None,
        doc="Certificate (PEM) of `security_key`: a file, or a folder or pattern of several. The newest one "
        "that is valid signs.",
    ),
    ExtraSetting(
        name="security_cert_store",
        type=str | None,
        doc="Certificates (PEM) of all who may sign: a file, a folder or a pattern. Read again every 30 seconds.",
    ),
    ExtraSetting(
        name="security_digest",
        type=Literal["sha256", "sha384", "sha512"],
        default="sha256",
        doc="Digest of the signatures; the same for all who share a queue.",
    ),
    ExtraSetting(
        name="security_replay_window",
        type=Annotated[float, msgspec.Meta(gt=0)] | None,
        unit="seconds",
        doc="Refuse task messages that were signed (or were due) longer ago than this, copies of what ran in this "
        "process, and messages without tq's seal: those of Celery. None: take them.",
    ),
)
