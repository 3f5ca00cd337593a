"""Check with pyright that users of the public API see a declared type everywhere: `python -m tests.public_types`.

The public modules are those named here and those that define what `tq` exports. Nothing in them may be left to
inference, since type checkers infer differently.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import tq

PUBLIC = (
    "tq.contracts",
    "tq.errors",
    "tq.options",
    "tq.records",
    "tq.request",
    "tq.signals",
    "tq.states",
    "tq.wire",
)


def main() -> int:
    """Print what is missing; return the exit status."""
    problems = [line for symbol in _symbols() for line in _problems(symbol)]
    print("\n".join(problems) or "pyright knows every type of the public API")
    return 1 if problems else 0


def _symbols() -> list[dict[str, Any]]:
    options = ("--verifytypes", "tq", "--ignoreexternal", "--outputjson")
    command = [sys.executable, "-m", "pyright", "--pythonpath", sys.executable, *options]
    # pyright looks for the installed package with the first Python on PATH, whatever --pythonpath says.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "PATH": path}
    )
    try:
        symbols: list[dict[str, Any]] = json.loads(done.stdout)["typeCompleteness"]["symbols"]
    except (ValueError, KeyError):
        sys.exit(f"pyright gave no report:\n{done.stdout}{done.stderr}")
    if not symbols:
        sys.exit(f"pyright found no symbol in the installed package:\n{done.stdout}")
    return symbols


def _problems(symbol: dict[str, Any]) -> list[str]:
    if not (symbol["isExported"] and _public(symbol["name"])):
        return []
    # What is unknown only because something else is, is told where the cause is.
    messages = [
        d["message"]
        for d in symbol["diagnostics"]
        if not d["message"].startswith("No docstring") and "partially unknown" not in d["message"]
    ]
    if symbol["isTypeKnown"] and not symbol["isTypeAmbiguous"]:
        return []
    return [f"{symbol['name']}: {message}" for message in messages]


def _public(name: str) -> bool:
    return any(f"{name}.".startswith(f"{module}.") for module in (*PUBLIC, *_exported_from()))


def _exported_from() -> set[str]:
    """Return the modules that define what `tq` exports, without `tq` itself, below which everything is."""
    values = (getattr(importlib.import_module("tq"), name) for name in tq.__all__)
    return {getattr(value, "__module__", "tq") for value in values} - {"tq", "builtins"}


if __name__ == "__main__":
    sys.exit(main())
