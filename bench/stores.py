"""The servers under comparison, each private and each empty for every measurement."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.services.postgres import PostgresServer
from tests.services.rabbitmq import RabbitmqServer
from tests.services.redis import RedisServer


class Stores:
    """Starts a server when it is first needed."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._redis: RedisServer | None = None
        self._postgres: PostgresServer | None = None
        self._rabbitmq: RabbitmqServer | None = None

    @property
    def redis(self) -> RedisServer:
        """One that keeps nothing on disk, as Celery's and its peers' own figures are made."""
        if self._redis is None:
            self._redis = self._stack.enter_context(RedisServer())
        return self._redis

    @property
    def postgres(self) -> PostgresServer:
        """One that waits for the disk at each commit."""
        if self._postgres is None:
            self._postgres = self._stack.enter_context(PostgresServer("fsync = on", "max_connections = 200"))
        return self._postgres

    @property
    def rabbitmq(self) -> RabbitmqServer:
        """One node."""
        if self._rabbitmq is None:
            self._rabbitmq = self._stack.enter_context(RabbitmqServer())
        return self._rabbitmq

    @contextmanager
    def empty(self, name: str) -> Iterator[tuple[str, Path]]:
        """The URL of an empty store, and a folder for what a measurement writes."""
        with tempfile.TemporaryDirectory(prefix="tq-bench-") as text, ExitStack() as stack:
            folder = Path(text)
            (folder / "counts").mkdir()
            yield self._url(name, folder, stack), folder

    def _url(self, name: str, folder: Path, stack: ExitStack) -> str:
        if name == "redis":
            self.redis.ask("FLUSHALL")
            return self.redis.url
        if name == "sqlite":
            return f"sqlite:///{folder}/bench.db"
        if name == "rabbitmq":
            vhost = self.rabbitmq.new_vhost()
            stack.callback(self.rabbitmq.drop_vhost, vhost)
            return self.rabbitmq.url_of(vhost)
        database = self.postgres.new_database()
        stack.callback(self.postgres.drop_database, database)
        return self.postgres.url_of(database)

    def close(self) -> None:
        """Stop what was started."""
        self._stack.close()
