"""The settings of an application: their definitions, their sources, their values."""

from __future__ import annotations

from tq.config.catalog import IneffectiveSetting
from tq.config.queues import Broadcast, Queue
from tq.config.setting import Setting
from tq.config.settings import Row, Settings

__all__ = ["Broadcast", "IneffectiveSetting", "Queue", "Row", "Setting", "Settings"]
