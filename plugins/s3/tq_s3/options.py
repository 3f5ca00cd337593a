"""What `result_backend_transport_options` and the URL's query may say, and where the bucket is.

s3://bucket[/prefix]                 with keys from boto3's usual places
s3://KEY:SECRET@bucket[/prefix]      with these keys; "/" in a secret is written %2F
s3://                                with the options `bucket` and `base_path`

Celery's settings `s3_bucket`, `s3_base_path`, `s3_region`, `s3_endpoint_url`, `s3_access_key_id` and
`s3_secret_access_key` are taken as options, with or without `s3_`. Source: Celery 5.7, `celery.backends.s3`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import parse_qsl, quote, unquote, urlencode

import msgspec

from tq.errors import ImproperlyConfigured
from tq.options import mask_url

_CELERY = "s3_"
Pause = Annotated[float, msgspec.Meta(gt=0)]
Threads = Annotated[int, msgspec.Meta(ge=1, le=256)]


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of the backend. Times are seconds."""

    bucket: str | None = None
    base_path: str = ""
    """Before every key, as it stands: write the `/` at its end yourself, as with Celery."""
    region: str | None = None
    endpoint_url: str | None = None
    """Where S3 is, for what speaks its protocol."""
    access_key_id: str | None = None
    secret_access_key: str | None = None
    session_token: str | None = None
    profile: str | None = None
    """A profile of the AWS configuration files."""
    poll_interval: Pause = 1.0
    """Longest pause between two looks for a result."""
    max_connections: Threads = 16
    """Requests at once, where many results are asked for."""
    timeout: Pause = 10.0
    """How long to wait for the answer to a request."""
    client_config: dict[str, Any] = msgspec.field(name="client-config", default_factory=dict)
    """Arguments of `botocore.config.Config`, such as `proxies` or `s3`."""


class Place(msgspec.Struct, frozen=True):
    """A bucket, what comes before every key, and the keys of the URL."""

    bucket: str
    prefix: str
    key: str | None = None
    secret: str | None = None


def without_prefix(options: Mapping[str, Any]) -> dict[str, Any]:
    """Celery's names as the plugin's own."""
    return {name.removeprefix(_CELERY): value for name, value in options.items()}


def plain_url(url: str) -> str:
    """The URL with the plugin's own names in its query."""
    head, mark, query = url.partition("?")
    return head + mark + urlencode(without_prefix(dict(parse_qsl(query))), quote_via=quote)


def read_place(url: str, options: Options) -> Place:
    """Read `url`. Raises `ImproperlyConfigured` with the URL masked."""
    place, _, path = url.partition("#")[0].partition("?")[0].partition("://")[2].partition("/")
    user, _, host = place.rpartition("@")
    if ":" in host and not host.startswith("arn:"):
        # What follows the colon may be the beginning of a secret, so it is not shown.
        raise ImproperlyConfigured(
            f"s3://{host.partition(':')[0]}:** names no bucket: write '/' in the secret as %2F, and the host and port of "
            "a store other than AWS into the option 'endpoint_url'"
        )
    key, _, secret = user.partition(":")
    if bool(key) != bool(secret):
        raise ImproperlyConfigured(f"{mask_url(url)} has only one of key and secret: write both, or neither")
    bucket = unquote(host) or options.bucket
    if not bucket:
        raise ImproperlyConfigured(
            f"{mask_url(url)} names no bucket: write s3://BUCKET/, or set the option 'bucket'"
        )
    base = unquote(path).strip("/")
    prefix = f"{base}/" if base else ""
    return Place(bucket, prefix + options.base_path, unquote(key) or None, unquote(secret) or None)
