"""Sessions: `python -m nox` runs the default ones; `python -m nox -l` lists all."""

from __future__ import annotations

import nox

nox.options.default_venv_backend = "uv|virtualenv"
nox.options.sessions = ["lint", "tests"]

PARTS = ["./core"]


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests of all parts."""
    session.install(*PARTS, "pytest>=8", "hypothesis>=6")
    session.run("pytest", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Format, lint and type check."""
    session.install(*PARTS, "ruff", "mypy")
    session.run("ruff", "format", "--check", ".")
    session.run("ruff", "check", ".")
    session.run("mypy")
