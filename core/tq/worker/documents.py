"""What results say of a run besides its value."""

from __future__ import annotations

from typing import Any

from tq import states
from tq.records import TaskMeta
from tq.worker.run import Run


def started_document(run: Run, hostname: str, pid: int) -> TaskMeta:
    """The STARTED document of a run, as Celery writes it."""
    assert run.call is not None
    more = extended(run, hostname) if run.plan is not None and run.plan.extended else {}
    return TaskMeta(
        task_id=run.call.id,
        status=states.STARTED,
        result={"pid": pid, "hostname": hostname},
        group_id=run.call.group,
        parent_id=run.call.parent_id,
        **more,
    )


def extended(run: Run, hostname: str) -> dict[str, Any]:
    """The fields of `result_extended`."""
    call = run.call
    assert call is not None
    return {
        "name": call.task,
        "args": call.args,
        "kwargs": call.kwargs,
        "worker": hostname,
        "retries": call.retries,
        "queue": run.delivery.queue,
        "stamps": call.stamps or None,
    }
