"""`tq top`: workers, running tasks, rates and queues, as they are now."""

from __future__ import annotations
