"""`solar`: dawn, sunrise, noon, sunset and dusk at a place. Needs astral: `pip install "tq-core[solar]"`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any, Final

from tq.beat.schedule import BaseSchedule
from tq.errors import ImproperlyConfigured

_TWILIGHT: Final = {"astronomical": 18.0, "nautical": 12.0, "civil": 6.0}
"""Degrees of the sun below the horizon."""
EVENTS: Final = (
    *("dawn_astronomical", "dawn_nautical", "dawn_civil", "sunrise", "solar_noon", "sunset"),
    *("dusk_civil", "dusk_nautical", "dusk_astronomical"),
)
_DAYS = 370
"""Beyond the polar circles the sun can stay up or down for half a year."""


class solar(BaseSchedule):
    """Celery's `solar(event, lat, lon)`: `event` is one of `EVENTS`; degrees, north and east are positive.

    Days on which the event does not happen there are left out. Raises `ImproperlyConfigured`, also without astral.
    """

    def __init__(
        self,
        event: str,
        lat: float,
        lon: float,
        nowfun: Callable[[], dt.datetime] | None = None,
        app: Any = None,
    ) -> None:
        super().__init__(nowfun, app)
        if event not in EVENTS:
            raise ImproperlyConfigured(f"solar event {event!r} is none of {', '.join(EVENTS)}")
        if not -90 <= lat <= 90 or not -180 <= lon <= 180:
            raise ImproperlyConfigured(
                f"solar: {lat!r}, {lon!r} is no place (latitude -90 to 90, longitude -180 to 180)"
            )
        self.event, self.lat, self.lon = event, float(lat), float(lon)
        self._at = _calculator(self.event, self.lat, self.lon)

    def next_after(self, moment: dt.datetime) -> dt.datetime | None:
        now = moment.astimezone(dt.UTC)
        day = now.date() - dt.timedelta(days=1)
        found = (self._at(day + dt.timedelta(days=n)) for n in range(_DAYS))
        due = next((at for at in found if at is not None and at > now), None)
        return None if due is None else due.astimezone(moment.tzinfo)

    def to_json(self) -> dict[str, Any]:
        return {"type": "solar", "event": self.event, "lat": self.lat, "lon": self.lon}

    def __repr__(self) -> str:
        return f"<solar: {self.event} at latitude {self.lat:g}, longitude {self.lon:g}>"


def _calculator(event: str, lat: float, lon: float) -> Callable[[dt.date], dt.datetime | None]:
    try:
        import astral
        import astral.sun
    except ImportError as exc:
        raise ImproperlyConfigured('solar schedules need astral: pip install "tq-core[solar]"') from exc
    observer = astral.Observer(lat, lon)
    kind, _, twilight = event.partition("_")
    named: dict[str, Any] = {
        "dawn": astral.sun.dawn,
        "dusk": astral.sun.dusk,
        "sunrise": astral.sun.sunrise,
        "sunset": astral.sun.sunset,
        "solar": astral.sun.noon,
    }
    more = {"depression": _TWILIGHT[twilight]} if twilight in _TWILIGHT else {}

    def at(day: dt.date) -> dt.datetime | None:
        try:
            found: dt.datetime = named[kind](observer, date=day, **more)
        except ValueError:
            # The sun does not reach that height on this day.
            return None
        return found.replace(microsecond=0)

    return at
