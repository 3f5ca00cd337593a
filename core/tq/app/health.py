"""Puts a worker and its HTTP endpoint together."""

from __future__ import annotations

from tq.contracts.hooks import Page
from tq.plugins.hooks import HookManager
from tq.plugins.tellers import before
from tq.worker.health import HealthServer, parse_address
from tq.worker.setup import WorkerSetup
from tq.worker.worker import Worker


def answer_probes(worker: Worker, setup: WorkerSetup, address: str, hooks: HookManager) -> None:
    """Have the worker answer at this address, with the pages of the hook plugins.

    Raises `ImproperlyConfigured` for an address that is none or cannot be had.
    """
    pages = [found.value for found in hooks.collect("tq_pages") if isinstance(found.value, Page)]
    server = HealthServer(parse_address(address), {"/livez": worker.stuck, "/readyz": worker.trouble}, pages)
    worker.health = server
    setup.child_started = before(server.forget, setup.child_started)
