"""An emulator of Amazon's services for tests: SQS and S3, in memory, without checks of keys and permissions."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.services.catalog import ServiceMissing
from tests.services.server import Server

_PROGRAM = Path(__file__).with_name("moto_program.py")
KEY, SECRET, REGION = "AKIATESTKEY", "secretkey", "eu-west-1"
"""Any would do: moto does not look at them."""
_ARGUMENTS = {
    "aws_access_key_id": KEY,
    "aws_secret_access_key": SECRET,
    "aws_session_token": None,
    "region_name": REGION,
    "profile_name": None,
}


@pytest.fixture(scope="session", autouse=True)
def few_sessions() -> Iterator[None]:
    """Let all clients of the emulator share one of boto3's sessions, which take 0.1 s to make."""
    boto3 = importlib.import_module("boto3")
    make = boto3.Session
    shared = make(**_ARGUMENTS)
    for service in ("sqs", "s3"):
        # What a session makes on first use it makes for one thread alone.
        shared.client(service, endpoint_url="http://127.0.0.1:1")
    with pytest.MonkeyPatch.context() as patch:
        # A session keeps the keys that it found, so only those with the emulator's own may be shared.
        patch.setattr(boto3, "Session", lambda **given: shared if given == _ARGUMENTS else make(**given))
        yield


class MotoServer(Server):
    """moto's server. It forgets everything when it ends."""

    name = "moto"

    def __init__(self) -> None:
        if importlib.util.find_spec("moto") is None:
            raise ServiceMissing("no moto found; install it with: pip install 'moto[server]>=5'")
        super().__init__()

    @property
    def url(self) -> str:
        """The endpoint, as boto3 takes it."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def sqs_url(self) -> str:
        """The endpoint as a broker URL."""
        return f"sqs://{KEY}:{SECRET}@127.0.0.1:{self.port}/?region={REGION}"

    def client(self, service: str) -> Any:
        """boto3's client of a service, as any other program has it."""
        client = importlib.import_module("boto3").client
        return client(
            service,
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id=KEY,
            aws_secret_access_key=SECRET,
        )

    def command(self) -> list[str | Path]:
        """Return the command that runs the server in the foreground."""
        return [sys.executable, "-P", _PROGRAM, "-H", "127.0.0.1", "-p", str(self.port)]

    def answers(self) -> bool:
        """Say whether the server answers."""
        try:
            with urllib.request.urlopen(f"{self.url}/moto-api/data.json", timeout=5) as answer:
                return bool(answer.status == 200)
        except (OSError, urllib.error.URLError):
            return False

    def reset(self) -> None:
        """Forget everything."""
        request = urllib.request.Request(f"{self.url}/moto-api/reset", method="POST")
        with urllib.request.urlopen(request, timeout=10):
            return
