"""The app of the beats under test: entries that are due each second or more often."""

from __future__ import annotations

from tq import TQ

NAMES = ("one", "two", "often")
app = TQ(
    "clock",
    task_default_queue="clock",
    beat_schedule={
        "one": {"task": "clock.tick", "schedule": 1.0, "args": ("one",)},
        "two": {"task": "clock.tick", "schedule": 1.0, "args": ("two",)},
        "often": {"task": "clock.tick", "schedule": 0.25, "args": ("often",)},
    },
)


@app.task(name="clock.tick")
def tick(name: str) -> str:
    """Nobody runs it: the tests read the messages."""
    return name
