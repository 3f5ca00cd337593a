"""An emulator of MongoDB for tests: SecantusDB, which speaks MongoDB's protocol, as a replica set of one."""

from __future__ import annotations

import importlib.util
import sys
from itertools import count
from pathlib import Path
from typing import Any

from tests.services.catalog import ServiceMissing
from tests.services.server import Server


class MongodbServer(Server):
    """SecantusDB; `words` are words of its command line. Its data survives a restart."""

    name = "mongodb"

    def __init__(self, *words: str) -> None:
        if importlib.util.find_spec("secantus") is None or importlib.util.find_spec("pymongo") is None:
            raise ServiceMissing(
                "no SecantusDB found; install it with: pip install pymongo 'secantusdb>=0.7.0b3'"
            )
        super().__init__()
        self.words = words
        """Words of the command line, for the next start."""
        self._numbers = count(1)

    @property
    def url(self) -> str:
        """Where clients find this server."""
        return f"mongodb://127.0.0.1:{self.port}"

    def command(self) -> list[str | Path]:
        """Return the command that runs the server in the foreground."""
        options = ["--host", "127.0.0.1", "--port", str(self.port), "--cache-size", "64M"]
        return [
            sys.executable,
            "-m",
            "secantus",
            *options,
            "--storage-path",
            self.folder / "data",
            *self.words,
        ]

    def answers(self) -> bool:
        """Say whether the server answers; one that wants a password answers too."""
        from pymongo.errors import PyMongoError

        try:
            with self.client() as client:
                return bool(client.admin.command("hello")["ok"])
        except PyMongoError:
            return False

    def client(self) -> Any:
        """A client of this server."""
        from pymongo import MongoClient

        return MongoClient(self.url, serverSelectionTimeoutMS=5000)

    def new_database(self) -> str:
        """Return the URL of a database that is empty."""
        return f"{self.url}/test_{next(self._numbers)}"
