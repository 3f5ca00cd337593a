"""boto3's clients, made on first use, and the translation of what they raise."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from typing import Any, TypeVar

from tq.errors import BrokerError, ImproperlyConfigured
from tq.options import mask_url
from tq_sqs.address import read_address
from tq_sqs.faults import error_of, fault_of
from tq_sqs.options import Options, PredefinedQueue

T = TypeVar("T")
R = TypeVar("R")
DEFAULT_REGION = "us-east-1"
"""Where neither the options nor boto3's own configuration name one. Source: kombu 5.7."""
SECONDS = 10.0
"""How long a request may take that has no deadline of its own."""
_WEIGHT = 0.2
"""Of the newest answer in the mean of what answers take."""
_CONNECTIONS = 64
_AT_ONCE = 8
_DEADLINES = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)


class Server:
    """One SQS. Thread-safe. `call` is for all requests."""

    def __init__(self, url: str, options: Options) -> None:
        self.shown = mask_url(url)
        self.options = options
        self.address = read_address(url, options)
        self.after_fork()

    def after_fork(self) -> None:
        """Forget clients, whose connections belong to another process."""
        self._lock = threading.Lock()
        self._clients: dict[tuple[str, float], Any] = {}
        self._sessions: dict[str, Any] = {}
        self._pools: dict[bool, ThreadPoolExecutor] = {}
        self.pace = 0.0
        """Seconds that SQS takes for an answer of late, not counting what it was asked to wait."""

    def close(self) -> None:
        """Close connections."""
        with self._lock:
            clients, self._clients = self._clients, {}
            pools, self._pools = self._pools, {}
        for pool in pools.values():
            pool.shutdown(wait=False)
        for client in clients.values():
            client.close()

    def call(
        self, doing: str, operation: str, *, owner: str = "", seconds: float = SECONDS, **arguments: Any
    ) -> dict[str, Any]:
        """One request to SQS, never repeated. `owner` names the predefined queue whose keys are used.

        Raises `BrokerError` or `BrokerUnavailable`; its cause is boto3's exception.
        """
        botocore = self._import("botocore.exceptions")
        try:
            client = self._client(owner, seconds)
            began = time.monotonic()
            answer: dict[str, Any] = getattr(client, operation)(**arguments)
        except (botocore.BotoCoreError, botocore.ClientError, OSError) as exc:
            # OSError: a `credential_process` that cannot be started.
            raise self.fail(exc, doing) from exc
        self.took(time.monotonic() - began - arguments.get("WaitTimeSeconds", 0))
        return answer

    def prepare(self, owner: str) -> None:
        """Make the client of what has no deadline of its own: on a busy machine that takes seconds. Raises `BrokerError`."""
        botocore = self._import("botocore.exceptions")
        try:
            self._client(owner, SECONDS)
        except botocore.BotoCoreError as exc:
            raise self.fail(exc, "connect") from exc

    def each(self, work: Callable[[T], R], items: Sequence[T], *, outer: bool = False) -> list[R]:
        """`work` on all items, several at once; the first error is raised when all are done.

        `outer`: the work calls `each` itself, or waits for who does. It has threads of its own, or all of them might wait
        for what none of them is left to do.
        """
        if len(items) < 2:
            return [work(item) for item in items]
        with self._lock:
            if outer not in self._pools:
                self._pools[outer] = ThreadPoolExecutor(_AT_ONCE, "tq-sqs")
            futures = [self._pools[outer].submit(work, item) for item in items]
        errors = [error for future in futures if (error := future.exception()) is not None]
        if errors:
            raise errors[0]
        return [future.result() for future in futures]

    def fail(self, exc: Exception, doing: str) -> BrokerError:
        """The error to raise for what boto3 raised."""
        return error_of(fault_of(exc), doing, self.shown)

    def took(self, seconds: float) -> None:
        """An answer took so long."""
        with self._lock:
            self.pace += (min(SECONDS, max(0.0, seconds)) - self.pace) * _WEIGHT

    def _client(self, owner: str, seconds: float) -> Any:
        # In boto3 the deadline belongs to the client: there are a few of them, each with connections of its own.
        seconds = next((each for each in _DEADLINES if each >= seconds * 0.75), _DEADLINES[-1])
        with self._lock:
            client = self._clients.get((owner, seconds))
            if client is None:
                client = self._clients[owner, seconds] = self._make(owner, seconds)
        return client

    def _session(self, owner: str) -> Any:
        """boto3's session, which is what takes long to make."""
        if owner not in self._sessions:
            own = self.options.predefined_queues.get(owner) or PredefinedQueue(url="")
            self._sessions[owner] = self._import("boto3").Session(
                aws_access_key_id=own.access_key_id or self.address.key,
                aws_secret_access_key=own.secret_access_key or self.address.secret,
                aws_session_token=own.session_token or self.options.session_token,
                region_name=own.region or self.address.region,
                profile_name=self.options.profile,
            )
        return self._sessions[owner]

    def _make(self, owner: str, seconds: float) -> Any:
        session = self._session(owner)
        config = self._import("botocore.config").Config(
            connect_timeout=min(seconds, 4.0),
            read_timeout=seconds,
            max_pool_connections=_CONNECTIONS,
            tcp_keepalive=True,
            # The core repeats what may be repeated; boto3 would also repeat a send that may have worked.
            retries={"total_max_attempts": 1, "mode": "standard"},
        )
        try:
            config = config.merge(self._import("botocore.config").Config(**self.options.client_config))
        except (TypeError, ValueError, AttributeError) as exc:
            raise ImproperlyConfigured(f"bad option 'client-config' for {self.shown}: {exc}") from exc
        try:
            return session.client(
                "sqs",
                region_name=session.region_name or DEFAULT_REGION,
                endpoint_url=self.address.endpoint,
                config=config,
            )
        except ValueError as exc:
            if isinstance(exc, self._import("botocore.exceptions").BotoCoreError):
                raise
            raise ImproperlyConfigured(
                f"{self.shown} names no valid endpoint: {exc}; write host and port into the URL, or http://HOST:PORT "
                "into the option 'endpoint_url'"
            ) from exc

    def _import(self, name: str) -> Any:
        """boto3 is big: it is imported by whoever talks to SQS, not by whoever lists plugins."""
        try:
            return import_module(name)
        except ImportError as exc:
            raise ImproperlyConfigured(
                f'{self.shown} needs boto3, which cannot be imported ({exc}); install it with: pip install "tq[sqs]"'
            ) from exc
