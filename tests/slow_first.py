"""What takes longest begins first: the tests of the whole system, then the plugins on their servers, then the core.

The last processes of a parallel run would otherwise wait for one file of a few tests that take minutes.
"""

from __future__ import annotations

import pytest

_ORDER = ("tests", "plugins", "core")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Sort by part; within a part the order stays."""
    items.sort(key=lambda item: _rank(item.nodeid))


def _rank(nodeid: str) -> int:
    part = nodeid.partition("/")[0]
    return _ORDER.index(part) if part in _ORDER else len(_ORDER)
