"""A Flower's pages and REST API."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from typing import Any


class Flower:
    """One Flower; what it refuses fails the test with its words."""

    def __init__(self, port: int) -> None:
        self._base = f"http://127.0.0.1:{port}/"

    def page(self, path: str) -> str:
        """The HTML that a browser gets."""
        return self._ask(path)

    def get(self, path: str) -> Any:
        """Read something through the REST API."""
        return json.loads(self._ask(f"api/{path}"))

    def post(self, path: str, **fields: str) -> Any:
        """Order something through the REST API."""
        return json.loads(self._ask(f"api/{path}", urllib.parse.urlencode(fields).encode()))

    def call(self, path: str, **content: Any) -> Any:
        """Order something that is described in JSON."""
        return json.loads(self._ask(f"api/{path}", json.dumps(content).encode()))

    def _ask(self, path: str, data: bytes | None = None) -> str:
        try:
            with urllib.request.urlopen(self._base + path, data, timeout=60) as answer:
                return str(answer.read().decode())
        except urllib.error.HTTPError as exc:
            raise AssertionError(f"{path}: {exc} {exc.read()!r}") from exc
