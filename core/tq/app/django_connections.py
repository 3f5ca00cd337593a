"""Django's database connections around tasks."""

from __future__ import annotations

import asyncio
import importlib
from typing import Any

from tq.contracts.hooks import hookimpl


class Connections:
    """Closes what is broken or older than CONN_MAX_AGE before and after each task, as Django does around requests."""

    @hookimpl
    def worker_starting(self, worker: Any) -> None:
        """What importing the project has opened is not for children: two processes on one connection break it."""
        _django_db().connections.close_all()

    @hookimpl
    def task_prerun(self, request: Any) -> None:
        _close_old(request)

    @hookimpl
    def task_postrun(self, request: Any, state: str, retval: object) -> None:
        _close_old(request)


def _close_old(request: Any) -> None:
    if getattr(request, "is_eager", False) or _in_loop():
        # An eager task belongs to the request around it; on a loop Django forbids to touch connections.
        return
    _django_db().close_old_connections()


def _in_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _django_db() -> Any:
    return importlib.import_module("django.db")
