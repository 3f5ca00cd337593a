"""Runs pytest with these arguments; where all that failed was late, and little, runs that once more, alone.

`python -m tests.run -n 3 ...`: what `nox -s tests` calls. The exit status is pytest's.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

FEW = 3
"""Files whose tests may be late: with more of them, it is not the machine."""


def second_chance(failed: dict[str, bool]) -> list[str]:
    """The tests to run again, of those that failed; none where something was wrong rather than late."""
    files = {test.partition("::")[0] for test in failed}
    return list(failed) if len(files) <= FEW and all(failed.values()) else []


def main(arguments: Sequence[str]) -> int:
    """See the text of the module."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "failed.json")
        status = _pytest(*arguments, f"--failed-file={file}")
        if status != 1 or not file.exists():
            return status
        again = second_chance(json.loads(file.read_text()))
        if not again:
            return status
    print(f"\nlate, not wrong: {len(again)}. Once more, alone:", *again, sep="\n  ", flush=True)
    status = _pytest(*again)
    verdict = "in time when alone" if status == 0 else "failed again"
    print(f"\n{verdict}:", *again, sep="\n  ", flush=True)
    return status


def _pytest(*arguments: str) -> int:
    return subprocess.run([sys.executable, "-m", "pytest", *arguments], check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
