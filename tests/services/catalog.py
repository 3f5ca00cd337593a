"""The services that tests use: their programs, where these live, and how to install them."""

from __future__ import annotations

import glob
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path


class ServiceMissing(Exception):
    """A program of a service is not on this machine; the message names the command that installs it."""


@dataclass(frozen=True)
class Service:
    """One service. `places` are glob patterns of folders searched after PATH, newest version first."""

    name: str
    programs: tuple[str, ...]
    places: tuple[str, ...]
    apt: tuple[str, ...]
    brew: tuple[str, ...]
    optional: bool = False
    """Its tests are skipped where it cannot be installed, in CI too."""

    def find(self) -> dict[str, Path]:
        """Return the path of each program, from PATH or the usual places. Raises ServiceMissing."""
        found = {program: _find(program, self.places) for program in self.programs}
        missing = [program for program, path in found.items() if path is None]
        if missing:
            raise ServiceMissing(
                f"no {' and no '.join(missing)} found; install {self.name} with: {self.hint()}"
            )
        return {program: path for program, path in found.items() if path is not None}

    def hint(self) -> str:
        """Return the command that installs this service here."""
        if sys.platform == "darwin":
            return f"brew install {' '.join(self.brew)}"
        sudo = "" if os.geteuid() == 0 else "sudo "
        return f"{sudo}apt-get install --no-install-recommends {' '.join(self.apt)}"


_BREW = ("/opt/homebrew", "/usr/local")

SERVICES = {
    service.name: service
    for service in (
        Service(
            name="redis",
            programs=("redis-server",),
            places=(
                "/usr/sbin",
                *(f"{root}/bin" for root in _BREW),
                *(f"{root}/opt/redis/bin" for root in _BREW),
            ),
            apt=("redis-server",),
            brew=("redis",),
        ),
        Service(
            name="postgres",
            programs=("initdb", "postgres", "psql"),
            places=("/usr/lib/postgresql/*/bin", *(f"{root}/opt/postgresql*/bin" for root in _BREW)),
            apt=("postgresql",),
            brew=("postgresql@17",),
        ),
        Service(
            name="pgbouncer",
            programs=("pgbouncer",),
            places=("/usr/sbin", *(f"{root}/opt/pgbouncer/bin" for root in _BREW)),
            apt=("pgbouncer",),
            brew=("pgbouncer",),
            optional=True,
        ),
        Service(
            name="memcached",
            programs=("memcached",),
            places=("/usr/bin", *(f"{root}/opt/memcached/bin" for root in _BREW)),
            apt=("memcached",),
            brew=("memcached",),
        ),
        Service(
            name="mariadb",
            programs=("mariadb-install-db", "mariadbd", "mariadb"),
            places=("/usr/sbin", "/usr/local/sbin", *(f"{root}/opt/mariadb*/bin" for root in _BREW)),
            apt=("mariadb-server",),
            brew=("mariadb",),
        ),
        Service(
            name="rabbitmq",
            programs=("rabbitmq-server", "epmd"),
            places=(
                "/usr/lib/rabbitmq/bin",
                "/usr/bin",
                *(f"{root}/opt/rabbitmq/sbin" for root in _BREW),
                *(f"{root}/opt/erlang/lib/erlang/bin" for root in _BREW),
            ),
            apt=("rabbitmq-server",),
            brew=("rabbitmq",),
        ),
        # No server, but a program that a test needs in the same way; it does not run on macOS.
        Service(
            name="valgrind",
            programs=("valgrind",),
            places=("/usr/bin",),
            apt=("valgrind",),
            brew=(),
            optional=sys.platform == "darwin",
        ),
    )
}


def require(name: str) -> dict[str, Path]:
    """Return the paths of a service's programs. Raises ServiceMissing with the command that installs it."""
    return SERVICES[name].find()


def _find(program: str, places: tuple[str, ...]) -> Path | None:
    on_path = shutil.which(program)
    if on_path:
        return Path(on_path)
    for place in places:
        for folder in sorted(glob.glob(place), key=_version, reverse=True):
            candidate = Path(folder) / program
            if os.access(candidate, os.X_OK):
                return candidate
    return None


def _version(folder: str) -> tuple[int, ...]:
    digits = "".join(c if c.isdigit() else " " for c in folder)
    return tuple(int(part) for part in digits.split())
