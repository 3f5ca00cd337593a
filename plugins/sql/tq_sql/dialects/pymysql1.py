"""A connection of PyMySQL whose limit of time can change from call to call."""

from __future__ import annotations

from pymysql.connections import Connection  # type: ignore[import-untyped]


class PatientConnection(Connection):  # type: ignore[misc]
    """PyMySQL reads its limits before each packet, but sets them only when it connects."""

    def be_patient(self, seconds: float) -> None:
        """No packet is waited for longer than that from now on."""
        self._read_timeout = self._write_timeout = seconds
