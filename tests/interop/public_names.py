"""Prints the public names of the Celery or the tq of the Python that runs it: `public_names.py celery|tq`, as JSON."""

from __future__ import annotations

import importlib
import json
import sys
from typing import Any

PLACES: dict[str, tuple[str, str]] = {
    "module": ("celery", "tq"),
    "signals": ("celery.signals", "tq.signals"),
    "states": ("celery.states", "tq.states"),
    "schedules": ("celery.schedules", "tq.schedules"),
    "Task": ("celery:Task", "tq:Task"),
    "Signature": ("celery:Signature", "tq:Signature"),
    "chain": ("celery:chain", "tq:chain"),
    "group": ("celery:group", "tq:group"),
    "chord": ("celery:chord", "tq:chord"),
    "Control": ("celery.app.control:Control", "tq.app.control:Control"),
    "Inspect": ("celery.app.control:Inspect", "tq.app.inspect:Inspect"),
    "State": ("celery.events.state:State", "tq.events:State"),
}


def public(thing: Any) -> list[str]:
    """What a program may use of it: of a module what it says that it offers."""
    names = getattr(thing, "__all__", None) or dir(thing)
    return sorted(name for name in names if not name.startswith("_"))


def names_of(side: str) -> dict[str, list[str]]:
    """Name of the place to the names in it; settings too, under "conf"."""
    at = ("celery", "tq").index(side)
    found: dict[str, list[str]] = {}
    for place, sides in PLACES.items():
        module, _, name = sides[at].partition(":")
        thing = importlib.import_module(module)
        found[place] = public(getattr(thing, name) if name else thing)
    app = _celery() if side == "celery" else _tq()
    found["app"] = public(app)
    found["AsyncResult"] = public(app.AsyncResult("id"))
    found["GroupResult"] = public(app.GroupResult("id", [app.AsyncResult("id")]))
    if side == "celery":
        from celery.app.defaults import flatten, NAMESPACES  # type: ignore[import-not-found,unused-ignore]  # noqa: I001

        found["conf"] = sorted(name for name, _ in flatten(NAMESPACES))
    return found


def _celery() -> Any:
    from celery import Celery  # type: ignore[import-not-found,unused-ignore]

    return Celery(backend="cache+memory://", set_as_current=False)


def _tq() -> Any:
    from tq import TQ

    return TQ(backend="memory://", set_as_current=False)


if __name__ == "__main__":
    print(json.dumps(names_of(sys.argv[1])))
