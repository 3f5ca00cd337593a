"""Both parties meet in a virtual host of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.celery_client import CeleryClient
from tests.services.rabbitmq import RabbitmqServer


@pytest.fixture(scope="package")
def vhost_url(shared_rabbitmq: RabbitmqServer) -> Iterator[str]:
    """The URL of a new virtual host."""
    name = shared_rabbitmq.new_vhost()
    yield shared_rabbitmq.url_of(name)
    shared_rabbitmq.drop_vhost(name)


@pytest.fixture(scope="module")
def url(vhost_url: str) -> str:
    """Where both parties meet."""
    return vhost_url


@pytest.fixture(scope="module")
def backend() -> str:
    """Results go to who asked, through the broker."""
    return "rpc://"


@pytest.fixture(scope="package")
def celery(celery_python: Path, vhost_url: str) -> Iterator[CeleryClient]:
    """A Celery client."""
    client = CeleryClient(celery_python, vhost_url, "rpc://")
    yield client
    client.close()
