"""Where SQS is: from a URL to endpoint, region and keys.

sqs://                            everything from boto3's usual places (environment, files, role)
sqs://KEY:SECRET@                 with these keys; "/" in a secret is written %2F
sqs://eu-west-1                   in this region
sqs://[KEY:SECRET@]host[:port]/   an emulator or a private endpoint, by http unless `is_secure`
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote

import msgspec

from tq.errors import ImproperlyConfigured
from tq.options import mask_url

if TYPE_CHECKING:
    from tq_sqs.options import Options

_REGION = re.compile(r"[a-z]{2,4}(-[a-z]+)+-\d+")
_AMAZON = re.compile(r"\.amazonaws\.(com(\.cn)?|eu)$")


class Address(msgspec.Struct, frozen=True):
    """What boto3 needs to find SQS; None: boto3 looks for it itself."""

    endpoint: str | None = None
    region: str | None = None
    key: str | None = None
    secret: str | None = None


def read_address(url: str, options: Options) -> Address:
    """Read `url`. Raises `ImproperlyConfigured` with the URL masked."""
    rest = url.partition("://")[2].partition("?")[0]
    user, _, place = rest.rpartition("@")
    if user and "/" in user:
        raise ImproperlyConfigured(
            f"sqs://{user.partition(':')[0]}:**@{place}: write '/' in the secret as %2F"
        )
    key, _, secret = user.partition(":")
    if bool(key) != bool(secret):
        raise ImproperlyConfigured(f"{mask_url(url)} has only one of key and secret: write both, or neither")
    host = place.partition("/")[0]
    region = options.region
    if _REGION.fullmatch(host):
        region, host = region or host, ""
    return Address(
        options.endpoint_url or (_endpoint(url, host, options) if host else None),
        region,
        unquote(key) or None,
        unquote(secret) or None,
    )


def _endpoint(url: str, host: str, options: Options) -> str:
    name, colon, port = host.rpartition(":")
    if colon and not host.endswith("]") and not (port.isdecimal() and int(port) < 65536):
        raise ImproperlyConfigured(f"{mask_url(url)} has no valid port: {port!r}")
    secure = options.is_secure if options.is_secure is not None else bool(_AMAZON.search(name or host))
    return f"{'https' if secure else 'http'}://{host}"
