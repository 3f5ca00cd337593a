"""How many instructions a task costs, counted by callgrind: `python -m bench.instructions [--record]`.

Unlike seconds these do not depend on what else the machine does. They are compared with committed ones for the same
minor version of Python: what costs `TOLERANCE` more is named, with the functions that are called more often than before.
`--record` writes them anew.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from bench.hotpath import COUNT
from tests.services.catalog import require
from tests.services.redis import RedisServer

RECORDED = ROOT / "bench" / "results" / "instructions.json"
TOLERANCE = 1.15
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"

Counts = dict[str, dict[str, Any]]
"""For each segment `instructions` of a task, and `calls`: how often each Python function is called for it."""


def main() -> int:
    """Count, and compare or record; 1 where something rose."""
    found = count()
    for name, each in found.items():
        print(
            f"{name:28} {each['instructions']:>10,} instructions a task, {sum(each['calls'].values()):6.1f} calls"
        )
    if "--record" in sys.argv:
        record(found)
        return 0
    rose = compare(found, recorded())
    print(*rose, sep="\n")
    return bool(rose)


def count() -> Counts:
    """Run the hot path on a Redis server of its own, once plainly and once under callgrind. Raises ServiceMissing."""
    valgrind = require("valgrind")["valgrind"]
    with tempfile.TemporaryDirectory(prefix="tq-instructions-") as text, RedisServer() as server:
        folder = Path(text)
        calls = dict(json.loads(line) for line in _run([], "--calls", server.url).splitlines())
        server.flush()
        tool = [str(valgrind), "--quiet", "--tool=callgrind", "--dump-before=getsid"]
        segments = _run([*tool, f"--callgrind-out-file={folder}/out"], server.url).splitlines()
        names = [json.loads(line)[0] for line in segments]
        # A part ends at each mark, so every second one is a segment; the last part is the end of the program.
        parts = [folder / f"out.{number}" for number in range(2, 2 * len(names) + 1, 2)]
        return {
            name: {
                "instructions": round(_total(part) / COUNT),
                "calls": {function: round(times / COUNT, 2) for function, times in calls[name].items()},
            }
            for name, part in zip(names, parts, strict=True)
        }


def _run(tool: list[str], *words: str) -> str:
    done = subprocess.run(
        [*tool, sys.executable, "-m", "bench.hotpath", *words],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    if done.returncode:
        raise SystemExit(f"the hot path failed: {done.stderr}")
    return done.stdout


def _total(part: Path) -> int:
    # The lines "summary:" and "totals:" of a part have the sums of all events; there is one event, Ir.
    found = re.search(r"^summary: (\d+)", part.read_text(), re.MULTILINE)
    if found is None:
        raise SystemExit(f"{part} of callgrind has no summary")
    return int(found[1])


def compare(found: Counts, before: Counts) -> list[str]:
    """A line for each segment that became dearer, and the calls that are new."""
    return [
        f"{name}: {now['instructions']:,} instructions a task, were {before[name]['instructions']:,}; "
        f"{more_calls(now['calls'], before[name]['calls'])}"
        for name, now in found.items()
        if name in before and now["instructions"] > before[name]["instructions"] * TOLERANCE
    ]


def more_calls(now: Mapping[str, float], before: Mapping[str, float]) -> str:
    """Which functions are called more often."""
    more = {
        name: times - before.get(name, 0) for name, times in now.items() if times > before.get(name, 0) + 0.1
    }
    if not more:
        return "the same functions are called as often as before"
    first = sorted(more, key=lambda name: -more[name])[:12]
    return "more calls: " + ", ".join(f"{name} {before.get(name, 0):g} to {now[name]:g}" for name in first)


def recorded() -> Counts:
    """What was committed for this version of Python; empty where nothing was."""
    everything: dict[str, Counts] = json.loads(RECORDED.read_text()) if RECORDED.exists() else {}
    return everything.get(PYTHON, {})


def record(found: Counts) -> None:
    """Write them for this version of Python."""
    everything = json.loads(RECORDED.read_text()) if RECORDED.exists() else {}
    everything[PYTHON] = found
    RECORDED.write_text(json.dumps(everything, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    sys.exit(main())
