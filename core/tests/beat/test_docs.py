"""The examples of docs/schedules.md run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

PAGE = (Path(__file__).parents[3] / "docs" / "schedules.md").read_text("utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_every_example_of_the_page_runs(tmp_path: Path) -> None:
    shop = next(block for block in BLOCKS if block.startswith("# shop.py"))
    (tmp_path / "shop.py").write_text(shop)
    environ = {name: value for name, value in os.environ.items() if not name.startswith("TQ_")}
    for block in BLOCKS:
        done = subprocess.run(
            [sys.executable, "-c", block],
            cwd=tmp_path,
            env=environ,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    listed = subprocess.run(
        [sys.executable, "-m", "tq", "-A", "shop", "schedule", "list"],
        cwd=tmp_path, env=environ, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "clean each full hour      shop.clean  every hour, at full ones" in listed.stdout, listed.stderr
    assert "at 07:30, Monday to Friday" in listed.stdout
