"""A connection of PyMySQL whose limit of time can change from call to call."""

from __future__ import annotations

import math
import struct
import time
from collections.abc import Sequence

from pymysql.charset import charset_by_name  # type: ignore[import-untyped]
from pymysql.connections import Connection  # type: ignore[import-untyped]
from pymysql.constants import COMMAND  # type: ignore[import-untyped]

_SEVERAL, _ONE = struct.pack("<H", 0), struct.pack("<H", 1)
"""Operands of COM_SET_OPTION: MYSQL_OPTION_MULTI_STATEMENTS_ON and _OFF."""


class PatientConnection(Connection):  # type: ignore[misc]
    """PyMySQL reads its limits before each packet, but sets them only when it connects.

    `deadline` is a moment of the monotonic clock.
    """

    deadline: float = math.inf
    patience: float = 10.0

    def be_patient(self, seconds: float, deadline: float) -> None:
        """No packet is waited for longer than that from now on, and none beyond the deadline."""
        self.patience, self.deadline = seconds, deadline

    def set_character_set(self, charset: str, collation: str | None = None) -> None:
        """Sends nothing: SQLAlchemy says SET NAMES as well."""
        self.charset = charset
        self.encoding = charset_by_name(charset).encoding

    @property
    def _read_timeout(self) -> float:
        # Asked for twice in each packet, and each row is one.
        left = self.deadline - time.monotonic()
        if left > self.patience:
            return self.patience
        return max(0.05, left)

    @_read_timeout.setter
    def _read_timeout(self, seconds: float) -> None:
        self.patience = seconds

    _write_timeout = _read_timeout

    def script(self, statements: Sequence[str]) -> None:
        """Run several statements in one round trip, which is allowed for these alone."""
        self._allow(_SEVERAL)
        with self.cursor() as cursor:
            cursor.execute(";\n".join(statements))
            while cursor.nextset():
                pass
        self._allow(_ONE)

    def _allow(self, several: bytes) -> None:
        self._execute_command(COMMAND.COM_SET_OPTION, several)
        self._read_packet()
