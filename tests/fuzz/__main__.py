"""One target under atheris: `python -m tests.fuzz envelope -max_total_time=60`; options are libFuzzer's."""

from __future__ import annotations

import logging
import sys
import tempfile
from pathlib import Path

import atheris  # type: ignore[import-not-found,import-untyped,unused-ignore]

with atheris.instrument_imports(
    include=[
        *("tq", "tq_auth", "tq_redis", "tq_sql", "tq_amqp", "tq_sqs", "tq_mongodb"),
        *("tq_filesystem", "tq_msgpack", "tq_yaml"),
    ]
):
    from tests.fuzz.targets import SEEDS, TARGETS


def main() -> None:
    """Fuzz until libFuzzer ends; a crash leaves the input in a file and says which."""
    name, *options = sys.argv[1:] or ["?"]
    if name == "--list":
        print(*TARGETS)
        return
    if name not in TARGETS:
        sys.exit(f"name a target: {', '.join(TARGETS)}")
    logging.disable()
    with tempfile.TemporaryDirectory() as folder:
        for number, seed in enumerate(SEEDS[name]):
            Path(folder, f"seed{number}").write_bytes(seed)
        atheris.Setup([sys.argv[0], *options, folder], TARGETS[name])
        atheris.Fuzz()


main()
