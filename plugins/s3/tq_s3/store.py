"""Objects of one bucket: boto3's client, made on first use, and the translation of what it raises."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime
from importlib import import_module
from typing import Any, NamedTuple, TypeVar

from tq.errors import ImproperlyConfigured
from tq.options import mask_url
from tq_s3.faults import CHANGED, MISSING, error_of, fault_of
from tq_s3.options import Options, read_place

T = TypeVar("T")
R = TypeVar("R")
_SLICE = 1000
"""Keys that one request can remove."""


class Found(NamedTuple):
    """An object's content, and what `put` needs to replace just this content."""

    data: bytes
    etag: str


class Store:
    """One bucket. Thread-safe."""

    def __init__(self, url: str, options: Options) -> None:
        self.shown = mask_url(url)
        self.place = read_place(url, options)
        self._options = options
        self.after_fork()

    def after_fork(self) -> None:
        """Forget connections and threads, which belong to another process."""
        self._lock = threading.Lock()
        self._made: Any = None
        self._pool: ThreadPoolExecutor | None = None

    def close(self) -> None:
        """Close connections."""
        with self._lock:
            client, pool = self._made, self._pool
            self._made = self._pool = None
        if pool is not None:
            pool.shutdown(wait=False)
        if client is not None:
            client.close()

    def each(self, work: Callable[[T], R], items: Sequence[T]) -> list[R]:
        """`work` on all items, many at once; the first error is raised when all are done."""
        if len(items) < 2:
            return [work(item) for item in items]
        with self._lock:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(self._options.max_connections, "tq-s3")
            futures = [self._pool.submit(work, item) for item in items]
        errors = [error for future in futures if (error := future.exception()) is not None]
        if errors:
            raise errors[0]
        return [future.result() for future in futures]

    # -- requests ------------------------------------------------------------------------------------------

    def get(self, doing: str, key: str) -> Found | None:
        """The object, or None."""
        try:
            answer = self._call("get_object", Key=self.place.prefix + key)
            return Found(answer["Body"].read(), answer["ETag"])
        except self._errors() as exc:
            if fault_of(exc).code in MISSING:
                return None
            raise error_of(fault_of(exc), doing, self.shown) from exc

    def put(self, doing: str, key: str, data: bytes) -> None:
        """Write an object, whatever was there."""
        self._run(doing, "put_object", Key=self.place.prefix + key, Body=data)

    def put_if(self, doing: str, key: str, data: bytes, known: Found | None) -> bool:
        """Write it if what is there is still `known` (None: nothing is there); whether it was."""
        condition = {"IfNoneMatch": "*"} if known is None else {"IfMatch": known.etag}
        try:
            self._call("put_object", Key=self.place.prefix + key, Body=data, **condition)
        except self._errors() as exc:
            # An object that is to be replaced and is gone answers 404.
            if fault_of(exc).code in CHANGED + MISSING:
                return False
            raise error_of(fault_of(exc), doing, self.shown) from exc
        return True

    def remove(self, doing: str, keys: Sequence[str]) -> None:
        """Remove objects."""
        for at in range(0, len(keys), _SLICE):
            objects = [{"Key": self.place.prefix + key} for key in keys[at : at + _SLICE]]
            answer = self._run(doing, "delete_objects", Delete={"Objects": objects, "Quiet": True})
            for failed in answer.get("Errors", ()):
                error = fault_of(_Refused(failed))
                raise error_of(error, doing, self.shown)

    def older(self, doing: str, start: str, seconds: float) -> Iterator[list[str]]:
        """Keys that begin with `start` and were written more than `seconds` ago, by S3's clock; page by page."""
        more: dict[str, Any] = {}
        while True:
            answer = self._run(doing, "list_objects_v2", Prefix=self.place.prefix + start, **more)
            now = parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"]).timestamp()
            yield [
                str(each["Key"]).removeprefix(self.place.prefix)
                for each in answer.get("Contents", ())
                # S3 tells whole seconds.
                if each["LastModified"].timestamp() + 1 <= now - seconds
            ]
            if not answer.get("IsTruncated"):
                return
            more = {"ContinuationToken": answer["NextContinuationToken"]}

    def date(self, doing: str) -> str:
        """The moment by S3's clock, as HTTP writes it."""
        answer = self._run(doing, "list_objects_v2", MaxKeys=1, Prefix=self.place.prefix)
        return str(answer["ResponseMetadata"]["HTTPHeaders"]["date"])

    def setting(self, operation: str) -> dict[str, Any] | None:
        """A setting of the bucket; None where there is none, or none that this user may see."""
        try:
            return self._call(operation)
        except self._errors() as exc:
            fault = fault_of(exc)
            if fault.temporary:
                raise error_of(fault, "look at the set-up", self.shown) from exc
            return None

    # -- the client ----------------------------------------------------------------------------------------

    def _run(self, doing: str, operation: str, **arguments: Any) -> dict[str, Any]:
        try:
            return self._call(operation, **arguments)
        except self._errors() as exc:
            raise error_of(fault_of(exc), doing, self.shown) from exc

    def _call(self, operation: str, **arguments: Any) -> dict[str, Any]:
        with self._lock:
            client = self._made = self._made or self._make()
        answer: dict[str, Any] = getattr(client, operation)(Bucket=self.place.bucket, **arguments)
        return answer

    def _errors(self) -> tuple[type[Exception], ...]:
        known = self._import("botocore.exceptions")
        # OSError: a `credential_process` that cannot be started.
        return known.BotoCoreError, known.ClientError, OSError

    def _make(self) -> Any:
        options, place = self._options, self.place
        make = self._import("botocore.config").Config
        config = make(
            connect_timeout=min(options.timeout, 4.0),
            read_timeout=options.timeout,
            max_pool_connections=options.max_connections + 4,
            retries={"total_max_attempts": 2, "mode": "standard"},
        )
        try:
            config = config.merge(make(**options.client_config))
        except (TypeError, ValueError, AttributeError) as exc:
            raise ImproperlyConfigured(f"bad option 'client-config' for {self.shown}: {exc}") from exc
        session = self._import("boto3").Session(
            aws_access_key_id=place.key or options.access_key_id,
            aws_secret_access_key=place.secret or options.secret_access_key,
            aws_session_token=options.session_token,
            region_name=options.region,
            profile_name=options.profile,
        )
        try:
            return session.client("s3", endpoint_url=options.endpoint_url, config=config)
        except ValueError as exc:
            if isinstance(exc, self._errors()):
                raise
            raise ImproperlyConfigured(
                f"{self.shown} has no valid endpoint: {exc}; write http://HOST:PORT into the option 'endpoint_url'"
            ) from exc

    def _import(self, name: str) -> Any:
        """boto3 is big: it is imported by whoever talks to S3, not by whoever lists plugins."""
        try:
            return import_module(name)
        except ImportError as exc:
            raise ImproperlyConfigured(
                f'{self.shown} needs boto3, which cannot be imported ({exc}); install it with: pip install "tq[s3]"'
            ) from exc


class _Refused(Exception):
    """One key of a batch that S3 refused, in the form of boto3's exceptions."""

    def __init__(self, failed: dict[str, Any]) -> None:
        super().__init__(failed.get("Message", ""))
        status = 503 if failed.get("Code") in ("InternalError", "SlowDown") else 400
        self.response = {"Error": failed, "ResponseMetadata": {"HTTPStatusCode": status}}
