"""What reading settings must not cost, counted rather than timed."""

from __future__ import annotations

import subprocess
import sys

from tq.config import Settings

HEAVY = {"logging", "pathlib", "tomllib", "zoneinfo", "tq.config.docs", "tq.config.files"}


def test_a_setting_that_was_read_is_a_plain_attribute() -> None:
    conf = Settings(files=False, environ={})
    assert conf.worker_pool == vars(conf)["worker_pool"]


def test_importing_the_settings_loads_nothing_heavy() -> None:
    code = "import sys, msgspec, tq; before = set(sys.modules); import tq.config; print(*(set(sys.modules) - before))"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert HEAVY & set(printed.stdout.decode().split()) == set()
