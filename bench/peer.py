"""A system under comparison: one file in peers/, which says in its head (PEP 723) what it needs and how it is run."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.processes import end

PROGRAMS = Path(__file__).parent / "peers"
BYTECODE = PROGRAMS.parent.parent / ".nox" / "peers" / "bytecode"
"""Where the compiled modules of all peers are kept. Without them each start compiles hundreds of modules, which takes
its time and leaves 11 to 20 MiB of free memory in the process."""
_HEAD = re.compile(r"(?m)^# /// script\n((?:^#.*\n)+?)^# ///$")


class PeerFailed(Exception):
    """A peer's program ended with an error; the message has its last words."""


@dataclass(frozen=True)
class Variant:
    """A peer with one set of settings. `worker` is the command line after the Python's path."""

    peer: str
    name: str
    file: Path
    worker: tuple[str, ...]
    stores: tuple[str, ...]
    requirements: tuple[str, ...]
    own_python: bool = False
    env: Mapping[str, str] = field(default_factory=dict)
    rows: tuple[str, ...] = ()
    """The measurements it takes part in; empty for all that its program knows."""
    skips: tuple[str, ...] = ()
    """The measurements it does not take part in."""
    tasks: int | None = None
    """The most tasks that it is given: what its client sends in about a second."""
    processes: int | None = None
    """The most worker processes that it can be told to have."""
    prepare: tuple[str, ...] = ()
    slow: bool = False
    """Known to be no peer's fastest setting; a quick run leaves it out."""

    def knows(self, command: str) -> bool:
        """Whether the program has a command."""
        return re.search(rf"\b{command}=", self.file.read_text()) is not None


def variants() -> list[Variant]:
    """All that the files in peers/ describe, tq first."""
    found = [variant for file in sorted(PROGRAMS.glob("on_*.py")) for variant in _described(file)]
    return sorted(found, key=lambda variant: (not variant.own_python, variant.peer.lower()))


def _described(file: Path) -> Iterator[Variant]:
    head = _HEAD.search(file.read_text())
    if head is None:
        raise PeerFailed(f"{file} does not begin with a `# /// script` block")
    script = tomllib.loads("\n".join(line[2:] for line in head[1].splitlines()))
    bench = script["tool"]["bench"]
    for name, said in bench["variants"].items():
        yield Variant(
            peer=bench["name"],
            name=name,
            file=file,
            worker=tuple(said["worker"]),
            stores=tuple(said.get("stores", bench.get("stores", ["redis"]))),
            requirements=tuple(script.get("dependencies", ())),
            own_python=bench.get("python") == "own",
            env=said.get("env", {}),
            rows=tuple(said.get("rows", ())),
            skips=tuple(said.get("skips", ())),
            tasks=said.get("tasks", bench.get("tasks")),
            processes=said.get("processes", bench.get("processes")),
            prepare=tuple(bench.get("prepare", ())),
            slow=said.get("slow", False),
        )


@dataclass(frozen=True)
class Installed:
    """A variant with the Python that runs it."""

    variant: Variant
    python: str
    versions: str

    def run(self, command: str, count: int, setting: Setting) -> Any:
        """Run a command of the peer's program, and return what it measured."""
        return json.loads(self._call([str(self.variant.file), command, str(count)], setting).splitlines()[-1])

    def prepare(self, setting: Setting) -> None:
        """Make what the peer needs in an empty store."""
        if self.variant.prepare:
            self._call(self.variant.prepare, setting)

    def _call(self, words: Sequence[str], setting: Setting) -> str:
        done = subprocess.run(
            [self.python, *words],
            env=setting.environment(self.variant),
            cwd=setting.folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )
        if done.returncode:
            said = (done.stderr or done.stdout).strip().splitlines()[-1:]
            raise PeerFailed(f"{self.variant.peer} {self.variant.name}: {' '.join(words)}: {' '.join(said)}")
        return done.stdout

    @property
    def name(self) -> str:
        """How the figures call it."""
        return f"{self.variant.peer} {self.variant.name}"

    @contextmanager
    def working(self, setting: Setting) -> Iterator[subprocess.Popen[bytes]]:
        """A worker while inside; all its processes end with it."""
        process = subprocess.Popen(
            [
                self.python,
                *(
                    word.format_map({**setting.words(), "program": str(self.variant.file)})
                    for word in self.variant.worker
                ),
            ],
            env=setting.environment(self.variant),
            cwd=setting.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            end(process.pid)
            process.wait()


@dataclass(frozen=True)
class Setting:
    """Where and how wide a peer runs. `width` is how many tasks wait at a time."""

    url: str
    folder: Path
    results: bool = False
    processes: int = 1
    width: int = 1

    @property
    def counts(self) -> Path:
        """The folder in which the tasks are counted."""
        return self.folder / "counts"

    def words(self) -> dict[str, str]:
        """What stands in braces in a worker's command line."""
        return {
            "url": self.url,
            "processes": str(self.processes),
            "width": str(self.width),
            "half": str(self.width // 2),
            "threads": str(self.width),
            "few": str(max(self.width, 4)),
            "wide": str(max(self.width, 250)),
            "kind": "greenlet" if self.width > 1 else "thread",
        }

    def environment(self, variant: Variant) -> dict[str, str]:
        """What the peer's programs read."""
        return {
            **{name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
            "PYTHONPYCACHEPREFIX": str(BYTECODE),
            "PYTHONPATH": str(PROGRAMS),
            "BENCH_URL": self.url,
            "BENCH_RESULTS": str(int(self.results)),
            "BENCH_WIDTH": str(self.width),
            "BENCH_COUNTS": str(self.counts),
            **variant.env,
        }
