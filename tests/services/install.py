"""Install the servers that tests need: `python -m tests.services.install [NAME ...]`.

What is found is used. What is missing is installed with apt-get (as root or with a sudo that asks nothing) or
Homebrew; where neither may be used, the command to run is printed and the tests of that service are skipped.
Ends with an error only when `CI=true` and a service is still missing. No system service is ever started.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence

from tests.services.catalog import SERVICES, Service, ServiceMissing

_PATIENCE = 900.0

# Debian packages start their service when they are installed, unless policy-rc.d says no.
_APT = """
set -e
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\\nexit 101\\n' > "$policy"
    chmod 755 "$policy"
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends "$@"
"""


def main(names: Sequence[str]) -> int:
    """Install what is missing of `names` (all when empty); return the exit status."""
    unknown = [name for name in names if name not in SERVICES]
    if unknown:
        print(f"no service is called {', '.join(unknown)}; there are: {', '.join(SERVICES)}", file=sys.stderr)
        return 2
    wanted = [SERVICES[name] for name in names or SERVICES]
    missing = [service for service in wanted if not _found(service)]
    # Apart, so that what may be missing takes nothing else with it.
    for some in ([s for s in missing if not s.optional], [s for s in missing if s.optional]):
        command = _installer(some) if some else None
        if command:
            _run(command)
    still = [service for service in wanted if _report(service) is False and not service.optional]
    return 1 if still and os.environ.get("CI") == "true" else 0


def _run(command: Sequence[str]) -> None:
    try:
        subprocess.run(command, check=False, timeout=_PATIENCE)
    except subprocess.TimeoutExpired:
        print(f"gave up after {_PATIENCE:.0f} s: {command[-1]}", file=sys.stderr)


def _found(service: Service) -> bool:
    try:
        service.find()
    except ServiceMissing:
        return False
    return True


def _report(service: Service) -> bool:
    try:
        programs = service.find()
    except ServiceMissing as missing:
        print(f"{service.name}: {missing}", flush=True)
        return False
    print(f"{service.name}: {programs[service.programs[0]]}", flush=True)
    return True


def _installer(missing: Sequence[Service]) -> list[str] | None:
    """Return the command that installs these services here without asking anything, or None."""
    if sys.platform == "darwin":
        return ["brew", "install", *(p for s in missing for p in s.brew)] if shutil.which("brew") else None
    if not shutil.which("apt-get"):
        return None
    script = ["sh", "-c", _APT, "install", *(p for s in missing for p in s.apt)]
    if os.geteuid() == 0:
        return script
    if (
        shutil.which("sudo")
        and subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False).returncode == 0
    ):
        return ["sudo", "-n", *script]
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
