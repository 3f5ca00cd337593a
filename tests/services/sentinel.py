"""Redis Sentinels for tests: they watch a server, and make its replica the master when it dies."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.services.redis import RedisServer
from tq.testing.waiting import eventually

NAME = "mymaster"


class SentinelServer(RedisServer):
    """One Sentinel that watches `watched` under the name `mymaster`; `quorum` of them have to agree."""

    def __init__(self, watched: RedisServer, quorum: int) -> None:
        super().__init__()
        self._watched = watched
        self._quorum = quorum

    def prepare(self) -> None:
        """Write the configuration, which a Sentinel goes on writing itself."""
        lines = [
            f"port {self.port}",
            "bind 127.0.0.1",
            f"dir {self.folder}",
            f"sentinel monitor {NAME} 127.0.0.1 {self._watched.port} {self._quorum}",
            f"sentinel down-after-milliseconds {NAME} 1000",
            f"sentinel failover-timeout {NAME} 5000",
        ]
        self._config.write_text("\n".join(lines) + "\n")

    def knows(self, sentinels: int) -> bool:
        """Whether it has found so many Sentinels, itself included, and one replica."""
        said = self.ask("INFO", "sentinel")
        return f"sentinels={sentinels}" in said and "slaves=1" in said

    def command(self) -> list[str | Path]:
        """Return the command that runs it in the foreground."""
        return [*super().command(), "--sentinel"]


@dataclass(frozen=True, slots=True)
class Replicated:
    """A master with a replica, and the URL by which the Sentinels lead to whoever is master."""

    master: RedisServer
    replica: RedisServer
    url: str

    def synchronize(self) -> None:
        """Wait until the replica has all that the master has acknowledged."""
        eventually(lambda: self.master.ask("WAIT", "1", "1000").startswith(":1"), "the replica")

    def await_failover(self) -> None:
        """Wait until the replica is the master."""
        eventually(lambda: "\r\nmaster\r\n" in self.replica.ask("ROLE"), "the failover")


@contextmanager
def replicated(sentinels: int = 3) -> Iterator[Replicated]:
    """Start a master, its replica and some Sentinels. Raises ServiceMissing."""
    with ExitStack() as stack:
        master = stack.enter_context(RedisServer("repl-diskless-sync-delay 0", appendonly=True))
        replica = stack.enter_context(RedisServer(f"replicaof 127.0.0.1 {master.port}", appendonly=True))
        watchers = [stack.enter_context(SentinelServer(master, sentinels // 2 + 1)) for _ in range(sentinels)]
        hosts = ";".join(f"sentinel://127.0.0.1:{each.port}" for each in watchers)
        made = Replicated(master, replica, f"{hosts}/0?master_name={NAME}")
        made.synchronize()
        for each in watchers:
            eventually(partial(each.knows, sentinels), "a Sentinel that knows the others and the replica")
        yield made
