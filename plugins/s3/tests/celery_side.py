"""Celery's side of `test_celery.py`; runs in an environment without tq. Prints what it reads as JSON."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from celery import Celery  # type: ignore[import-not-found, import-untyped, unused-ignore]

app: Any = Celery("celery_side", backend="s3")
app.conf.update(json.loads(os.environ["TQ_TEST_S3"]))


def main(task_id: str) -> None:
    """Store a result of each kind, and read what tq stored."""
    app.backend.store_result("theirs", {"x": [1, None, "größe"]}, "SUCCESS")
    app.backend.store_result("failed", ValueError("no", 3), "FAILURE", traceback="Traceback ...")
    found = app.AsyncResult(task_id)
    print(json.dumps([found.state, found.result]))


if __name__ == "__main__":
    main(sys.argv[1])
