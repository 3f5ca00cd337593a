"""Free ports on the loopback address."""

from __future__ import annotations

import random
import socket

# Below the range from which Linux and macOS take ports of outgoing connections: a server that is
# stopped finds its port free again, and a client of a stopped server cannot connect to itself.
_PORTS = range(15_000, 32_000)


def free_port() -> int:
    """Return a port of 127.0.0.1 that nothing listens on now."""
    for _ in range(200):
        port = random.SystemRandom().choice(_PORTS)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError(f"no free port among 200 tried between {_PORTS.start} and {_PORTS.stop}")
