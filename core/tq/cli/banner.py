"""What a worker says when it starts."""

from __future__ import annotations

import platform

from tq._version import __version__
from tq.app.app import TQ
from tq.options import mask_url
from tq.worker.worker import Worker


def banner(app: TQ, ready: Worker, pool: str, autoscale: tuple[int, int] | None = None) -> str:
    """What the worker is about to do, for people."""
    return "\n".join(
        [
            f" -- {ready.hostname} -- tq {__version__}, Python {platform.python_version()}",
            "",
            f" app          {app.main or '__main__'}",
            f" broker       {mask_url(app.conf.broker_url)}{_embedded(app)}",
            f" results      {_results(app)}",
            f" concurrency  {_size(ready, autoscale)} ({pool})",
            f" lease        {app.conf.broker_lease:g} s",
            "",
            " [queues]",
            *(f"   {queue}" for queue in ready.queues),
            "",
            " [tasks]",
            *_tasks(app),
            "",
        ]
    )


def _size(ready: Worker, autoscale: tuple[int, int] | None) -> str:
    return f"{autoscale[1]} to {autoscale[0]}" if autoscale else str(ready.concurrency)


def _results(app: TQ) -> str:
    url = app.conf.result_backend
    return mask_url(url) if app.backend is not None and url else "disabled (no result_backend is set)"


def _embedded(app: TQ) -> str:
    if app.conf.is_set("broker_url"):
        return ""
    return "  (embedded, in this directory; set broker_url for a server)"


def _tasks(app: TQ) -> list[str]:
    names = sorted(app.tasks)
    return [f"   {name}" for name in names] or ["   none is registered: is their module in include=?"]
