"""Celery's task message protocol: reads versions 1, 2 and the mixed form, writes version 2.

Version 2 keeps what is known about a call in the headers and `[args, kwargs, embed]` in the body; version 1
keeps all of it in a body that is one object. Source: Celery 5.7, `celery.app.amqp` and
`celery.worker.strategy`.
"""

from __future__ import annotations

from tq.wire.call import MAX_NAME, TaskCall
from tq.wire.isotime import parse_iso
from tq.wire.reader import identify, read_task
from tq.wire.writer import write_task

__all__ = ["MAX_NAME", "TaskCall", "identify", "parse_iso", "read_task", "write_task"]
