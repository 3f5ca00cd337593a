"""Real processes for whole-system tests: workers started as a user starts them, and what they leave behind."""

from __future__ import annotations

from tests.ledger import Ledger
from tests.processes.program import Program
from tests.processes.worker import Workers
from tq.testing.waiting import NotInTime, eventually

__all__ = ["Ledger", "NotInTime", "Program", "Workers", "eventually"]
