"""Celery's side of `test_celery.py`; runs in an environment without tq."""

from __future__ import annotations

import os
import sys
from typing import Any

from celery import Celery  # type: ignore[import-not-found, import-untyped, unused-ignore]

from tests import ledger

app: Any = Celery("celery_side", broker=os.environ["TQ_TEST_SQS"])
app.conf.update(
    broker_transport_options={"wait_time_seconds": 1, "polling_interval": 0.1},
    task_default_queue="shared.queue",
    task_ignore_result=True,
    worker_enable_remote_control=False,
)


@app.task(name="note")  # type: ignore[untyped-decorator]
def note(word: str) -> None:
    ledger.write("celery", word)


if __name__ == "__main__":
    for each in sys.argv[1:]:
        note.delay(each)
