"""The live view: draws pictures and follows keys."""

from __future__ import annotations

import time

from rich.console import Console, Group
from rich.live import Live

from tq.cli.top.feed import Feed
from tq.cli.top.fleet import Fleet
from tq.cli.top.keys import Keys
from tq.cli.top.poll import Asker
from tq.cli.top.records import Snapshot
from tq.cli.top.view import SORTS, view
from tq.errors import TQError

HELP = "q quit  s sort (now: {sort})  p {pause}  e have events sent  d no events"


class Screen:
    """Draws a fleet every `interval` seconds, and at once when a key was pressed."""

    def __init__(self, fleet: Fleet, asker: Asker, console: Console, interval: float) -> None:
        self._fleet = fleet
        self._asker = asker
        self._console = console
        self._interval = interval
        self._sort = 0
        self._paused: Snapshot | None = None
        self._said = ""
        self.left_on = False
        """Events were switched on from here, and not off again."""

    def run(self, feed: Feed, keys: Keys, count: int | None) -> None:
        """Until `q` is pressed, or `count` pictures with new answers were drawn."""
        with Live(console=self._console, auto_refresh=False, screen=self._console.is_terminal) as live:
            while True:
                seen = feed.rounds
                live.update(self._picture(), refresh=True)
                if count is not None and seen > count:
                    return
                if not self._follow(keys, feed, seen):
                    return

    def _follow(self, keys: Keys, feed: Feed, seen: int) -> bool:
        """Wait until there is something to draw; False: the end."""
        until = time.monotonic() + self._interval
        while (left := until - time.monotonic()) > 0 and feed.rounds == seen:
            key = keys.next(min(left, 0.2))
            if key:
                return self._press(key)
        return True

    def _press(self, key: str) -> bool:
        self._said = ""
        if key == "s":
            self._sort = (self._sort + 1) % len(SORTS)
        elif key == "p":
            self._paused = None if self._paused is not None else self._fleet.snapshot()
        elif key in ("e", "d"):
            self._switch(key == "e")
        return key != "q"

    def _switch(self, on: bool) -> None:
        try:
            self._asker.enable_events(on)
        except TQError as exc:
            self._said = f"{exc}\n"
            return
        self.left_on = on
        self._said = f"workers were asked to send {'events' if on else 'no events'} of tasks\n"

    def _picture(self) -> Group:
        shot = self._paused or self._fleet.snapshot()
        footer = HELP.format(sort=SORTS[self._sort], pause="go on" if self._paused else "pause")
        height = self._console.height if self._console.is_terminal else None
        return view(shot, sort=SORTS[self._sort], height=height, footer=self._said + footer)
