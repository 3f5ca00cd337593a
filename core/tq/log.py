"""Logging in tasks.

    from tq.log import get_task_logger

    logger = get_task_logger(__name__)

Any logger will do: in a worker each record that is emitted inside a task carries `task_id` and `task_name`, whatever
its logger and handler. What this one has besides is its place below the logger `tq.task`, so that one level and one
set of handlers are all tasks'.
"""

from __future__ import annotations

import logging
from typing import Final

__all__ = ["TASK_LOGGER", "get_task_logger"]

TASK_LOGGER: Final = "tq.task"
"""The logger above those of tasks."""


def get_task_logger(name: str) -> logging.Logger:
    """The logger of this name, below `tq.task`; Celery's `celery.utils.log.get_task_logger`."""
    logger = logging.getLogger(name)
    above = logging.getLogger(TASK_LOGGER)
    # One that is a tq logger itself is there already, or above it.
    if logger is not above and logger.name != "root" and not TASK_LOGGER.startswith(f"{logger.name}."):
        logger.parent = above
    return logger
