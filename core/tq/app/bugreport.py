"""What to say about an installation when something is wrong with it."""

from __future__ import annotations

import platform
import sys
from typing import TYPE_CHECKING, Any

from tq._version import __version__
from tq.plugins import registry

if TYPE_CHECKING:
    from tq.app.app import TQ


def facts(app: TQ) -> dict[str, Any]:
    """What runs here."""
    return {
        "tq": __version__,
        "python": f"{platform.python_implementation()} {platform.python_version()} ({sys.executable})",
        "platform": platform.platform(),
        "app": app.main or "__main__",
        "plugins": [
            f"{name} {version}".rstrip()
            for name, version in sorted({(row.distribution, row.version) for row in registry.installed()})
        ],
    }


def bugreport(app: TQ) -> str:
    """The facts, and the settings that were set, without their secrets."""
    lines = [
        f"{name} -> {', '.join(value) if isinstance(value, list) else value}"
        for name, value in facts(app).items()
    ]
    lines += ["", *(f"{name}: {value!r}" for name, value in sorted(app.conf.table().items())), ""]
    return "\n".join(lines)
