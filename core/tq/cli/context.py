"""What the global options say, for the commands."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import click

from tq.app.app import TQ
from tq.cli.find import find_app


@dataclass(slots=True)
class Globals:
    """The options before the command. `app()` imports the app on first use."""

    spec: str | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    color: bool | None = None
    quiet: bool = False
    patched_for: str | None = None
    """The pool that has patched the standard library already."""
    _app: TQ | None = None

    def app(self) -> TQ:
        """The app of -A, or one made of the configuration files alone; options on the line win."""
        if self._app is None:
            self._app = find_app(self.spec) if self.spec else TQ("default")
            if self.settings:
                self._app.conf.assign(self.settings, origin="command line")
        return self._app


pass_globals = click.make_pass_decorator(Globals, ensure=True)
