"""Real servers for tests: found, started on free ports, and gone afterwards.

Only the standard library is imported here, because `python -m tests.services.install` runs before anything is installed.
"""

from __future__ import annotations

from tests.services.catalog import SERVICES, Service, ServiceMissing, require
from tests.services.ports import free_port
from tests.services.server import Server, ServiceFailed

__all__ = ["SERVICES", "Server", "Service", "ServiceFailed", "ServiceMissing", "free_port", "require"]
