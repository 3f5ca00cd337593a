"""tq's side of `test_celery.py`."""

from __future__ import annotations

from tests import ledger
from tq import TQ

app = TQ("tq_side", set_as_current=False)
app.conf.update(task_default_queue="shared.queue", task_ignore_result=True)


@app.task(name="note")
def note(word: str) -> None:
    ledger.write("tq", word)
