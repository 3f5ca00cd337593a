"""Tests of pools that patch the standard library, in a process of their own that was patched first.

`python -m tests.pools.patched POOL FILE` runs the tests of a file; `run_patched` starts that and tells how it ended.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def run_patched(pool: str, file: Path) -> str:
    """What pytest printed; fails with all of it where a test did."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.pools.patched", pool, str(file)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=250,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def main(pool: str, file: str) -> int:
    """Patch, and then import the rest."""
    from tq.plugins import registry

    registry.load_pool(pool).prepare()
    import pytest

    plugins = ("xdist", "cov", "cacheprovider")
    return pytest.main(["-q", "-rs", *(f"-pno:{name}" for name in plugins), file])


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
