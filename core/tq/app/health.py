"""Puts a worker and its HTTP endpoint together."""

from __future__ import annotations

from collections.abc import Callable

from tq.contracts.hooks import Page
from tq.plugins.hooks import HookManager
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
    setup.child_started = _also_forget(server, setup.child_started)


def _also_forget(server: HealthServer, tell: Callable[..., None] | None) -> Callable[..., None]:
    def started(**arguments: object) -> None:
        server.forget()
        if tell is not None:
            tell(**arguments)

    return started
