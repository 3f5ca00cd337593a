"""The settings of an application: their definitions, their sources, their values."""

from __future__ import annotations

from tq.config.catalog import IneffectiveSetting
from tq.config.queues import Broadcast, Exchange, Queue
from tq.config.setting import Setting
from tq.config.settings import Row, Settings

__all__ = ["Broadcast", "Exchange", "IneffectiveSetting", "Queue", "Row", "Setting", "Settings"]
