"""Events: what workers tell monitors, in Celery's protocol. See docs/monitoring.md."""

from tq.events.camera import Camera
from tq.events.clock import Clock
from tq.events.dispatcher import Dispatcher
from tq.events.nodes import Task, Worker
from tq.events.state import State

__all__ = ["Camera", "Clock", "Dispatcher", "State", "Task", "Worker"]
