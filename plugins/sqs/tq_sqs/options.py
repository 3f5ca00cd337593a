"""What `broker_transport_options` and the URL's query may say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec

from tq.errors import ImproperlyConfigured
from tq.options import mask_url, query_of

Wait = Annotated[int, msgspec.Meta(ge=1, le=20)]
Visibility = Annotated[float, msgspec.Meta(ge=1, le=43200)]


class PredefinedQueue(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A queue that exists already, under the names that Celery uses; with keys of its own where given."""

    url: str
    access_key_id: str | None = None
    secret_access_key: str | None = None
    session_token: str | None = None
    region: str | None = None
    dead_letter_queue: str | None = None
    """URL of the queue for its dead letters, where it has no redrive policy."""
    backoff_policy: dict[Any, Any] | None = None
    backoff_tasks: list[str] | None = None


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of the broker, under the names that Celery uses. Times are seconds."""

    region: str | None = None
    endpoint_url: str | None = None
    """Where SQS is, for emulators and private endpoints; the URL's host and port say the same."""
    is_secure: bool | None = None
    """Whether the URL's host is spoken to by https."""
    session_token: str | None = None
    profile: str | None = None
    """A profile of the AWS configuration files."""
    queue_name_prefix: str = ""
    predefined_queues: dict[str, PredefinedQueue] = {}
    """Queues by name; no other one is used, and none is made."""
    visibility_timeout: Visibility | None = None
    """How long after its last sign of life a worker's messages go to others; None: `broker_lease`."""
    wait_time_seconds: Wait = 20
    """How long SQS may wait for a message before it answers that there is none."""
    sqs_base64_encoding: bool = True
    """Write messages as Celery does by default; False: as plain JSON, a quarter smaller."""
    creation_attributes: dict[str, str] = msgspec.field(name="sqs-creation-attributes", default_factory=dict)
    """Attributes of queues that are made here."""
    queue_tags: dict[str, str] = {}
    client_config: dict[str, Any] = msgspec.field(name="client-config", default_factory=dict)
    """Arguments of `botocore.config.Config`, such as `proxies`."""
    dead_letters: Literal["keep", "drop"] = "keep"
    """What becomes of messages that cannot be done: kept in a queue for dead letters, or removed with a log line."""


_EXPLAINED = {
    "polling_interval": "tq never pauses between polls; an idle worker costs one request in wait_time_seconds",
    "supports_fanout": "this broker sends nothing to fanout exchanges",
    "predefined_exchanges": "this broker sends nothing to fanout exchanges",
    "fetch_message_attributes": "tq asks for the attributes that it needs",
    "sts_role_arn": "name the role in a profile of the AWS configuration files (role_arn, source_profile) and set the "
    "option 'profile'; boto3 then renews its tokens",
    "sts_token_timeout": "set duration_seconds in the profile of the AWS configuration files",
    "sts_token_buffer_time": "boto3 renews its tokens in time",
    "regioninfo": "use the option 'region'",
    "port": "write the port into the URL, or use the option 'endpoint_url'",
}


def refuse_explained(url: str, options: Mapping[str, Any]) -> None:
    """Raise `ImproperlyConfigured` for an option of Celery's that has no meaning here, saying why."""
    for name in (*options, *query_of(url)):
        if name in _EXPLAINED:
            raise ImproperlyConfigured(
                f"option {name!r} for {mask_url(url)} has no meaning here, remove it: {_EXPLAINED[name]}"
            )
