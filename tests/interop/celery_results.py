"""Celery's end of the tests of shared result stores: `python -m tests.interop.celery_results URL write|read ID...`.

Run by Celery's own Python, which has no tq.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from celery import Celery  # type: ignore[import-not-found,unused-ignore]
from celery.result import GroupResult  # type: ignore[import-not-found,unused-ignore]


def main(url: str, doing: str, ids: list[str]) -> None:
    """Write results, or print what lies under these ids."""
    app = Celery("results", backend=url, set_as_current=False)
    app.conf.update(result_extended=True)
    if doing == "write":
        done, failed, group = ids
        app.backend.store_result(done, {"x": [1, "größe"]}, "SUCCESS")
        app.backend.store_result(failed, ValueError("bad"), "FAILURE", traceback="Traceback ...")
        GroupResult(group, [app.AsyncResult(done), app.AsyncResult(failed)], app=app).save()
        return
    *tasks, group = ids
    found: list[Any] = []
    for each in tasks:
        result = app.AsyncResult(each)
        value = result.get(timeout=60, propagate=False)
        found.append([result.state, repr(value) if isinstance(value, Exception) else value])
    saved = GroupResult.restore(group, app=app)
    print(json.dumps([found, [each.id for each in saved]]))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
