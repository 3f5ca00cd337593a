"""The suite that every broker passes."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import nats
import pytest
from tq.testing import BrokerConformance

from tq_nats import NatsBroker
from tq_nats.subjects import Subjects


class TestNatsBroker(BrokerConformance):
    broker_class = NatsBroker

    @pytest.fixture
    def slow_factor(self) -> float:
        """Machines of CI stall now and then."""
        return 2.0

    @pytest.fixture
    def broker_url(self, shared: Any) -> str:
        return str(shared.url)

    @pytest.fixture
    def dead_url(self) -> str:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            return f"nats://me:s3cret@127.0.0.1:{probe.getsockname()[1]}"

    @pytest.fixture
    def wrong_password_url(self, nats_server: Callable[..., Any]) -> str:
        server = nats_server("-js", "--user", "me", "--pass", "right")
        return f"nats://me:s3cret@127.0.0.1:{server.port}"

    @pytest.fixture
    def restart_service(self, shared: Any) -> Callable[[], None]:
        restart: Callable[[], None] = shared.restart
        return restart

    @pytest.fixture
    def put_raw(self, broker_url: str) -> Callable[[str, bytes], None]:
        async def publish(queue: str, raw: bytes) -> None:
            client = await nats.connect(broker_url)
            await client.request(Subjects("tq", queue).ready, raw, timeout=5)
            await client.close()

        def put(queue: str, raw: bytes) -> None:
            asyncio.run(publish(queue, raw))

        return put
