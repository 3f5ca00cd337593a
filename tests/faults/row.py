"""One line of the table: what a scenario did to one broker's tasks."""

from __future__ import annotations

from dataclasses import dataclass

LEASE = 2.0
"""Seconds; the shortest that may be set."""
RECOVERY = LEASE + 2.0
SLACK = 1.5
"""Seconds that a machine with other work to do may be late."""
CALL_SLACK = 1.0


@dataclass(frozen=True, slots=True)
class Row:
    """Counts of one run. Times in seconds, None where a scenario has no such time."""

    scenario: str
    broker: str
    sent: int
    refused: int
    executed: int
    lost: int
    doubled: int
    repeated: int
    interrupted: int
    recovery: float | None = None
    longest_call: float | None = None
    call_deadline: float = 4.0
    recovery_limit: float = RECOVERY
    wrong: tuple[str, ...] = ()
    """What else was not as it must be, in words."""
    late: tuple[str, ...] = ()
    """What came later than it must, in words."""
    notes: tuple[str, ...] = ()
    """Facts worth a place in the table."""

    def complaints(self) -> list[str]:
        """What is not as promised, on whatever machine: lost, doubled, wrong. Empty where all is well."""
        found = list(self.wrong)
        if self.lost:
            found.append(f"{self.lost} of {self.sent} tasks were lost")
        if self.doubled:
            found.append(f"{self.doubled} tasks finished twice without a fault that explains it")
        return found

    def delays(self) -> list[str]:
        """What was slower than promised; a machine with other work to do may be the reason."""
        found = list(self.late)
        if self.recovery is not None and self.recovery > self.recovery_limit + SLACK:
            found.append(f"recovery took {self.recovery:.1f} s instead of {self.recovery_limit:g} s")
        if self.longest_call is not None and self.longest_call > self.call_deadline + CALL_SLACK:
            found.append(f"a producer waited for {self.longest_call:.1f} s, not {self.call_deadline:g} s")
        return found

    def summary(self) -> str:
        """One line for a terminal."""
        parts = [
            f"sent {self.sent}, refused {self.refused}, executed {self.executed}, lost {self.lost}",
            f"doubled {self.doubled}, repeated {self.repeated}, interrupted {self.interrupted}",
        ]
        if self.recovery is not None:
            parts.append(f"recovery {self.recovery:.1f} s")
        if self.longest_call is not None:
            parts.append(f"longest call {self.longest_call:.1f} s")
        parts += self.notes
        return ", ".join(parts) + "".join(
            f"\n    WRONG: {text}" for text in (*self.complaints(), *self.delays())
        )
