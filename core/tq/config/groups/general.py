"""Settings of the application as a whole."""

from __future__ import annotations

import datetime as dt
from typing import Any

from tq.config.setting import Setting
from tq.config.types import Names, PositiveCount

GROUP = "General"


def _zone_name(value: Any) -> Any:
    if value is dt.UTC:
        return "UTC"
    return getattr(value, "key", value) if isinstance(value, dt.tzinfo) else value


def _known_zone(name: str | None) -> str | None:
    from zoneinfo import ZoneInfo

    if name is not None:
        try:
            ZoneInfo(name)
        except (OSError, ValueError, LookupError):
            raise ValueError("a name of the time zone database, such as 'Europe/Berlin'") from None
    return name


def names_from(value: Any) -> Any:
    """A lone name stands for a tuple of one; a set has no order to keep, so it is sorted."""
    if isinstance(value, str):
        return (value,)
    return sorted(value, key=str) if isinstance(value, set | frozenset) else value


SETTINGS = (
    Setting(
        name="accept_content",
        type=Names,
        default=("json",),
        doc="Content types (or names of serializers) that a worker decodes; all others go to the dead letters.",
        group=GROUP,
        prepare=names_from,
    ),
    Setting(
        name="result_accept_content",
        type=Names | None,
        default=None,
        doc="The same for reading results; none: as `accept_content`. `result_serializer` must be among them.",
        group=GROUP,
        prepare=names_from,
    ),
    Setting(
        name="message_size_limit",
        type=PositiveCount,
        default=64 * 1024 * 1024,
        unit="bytes",
        doc="Largest body, after decompression, that is decoded; a larger one goes to the dead letters.",
        group=GROUP,
    ),
    Setting(
        name="imports",
        type=Names,
        default=(),
        doc="Modules that a worker imports at start.",
        group=GROUP,
        prepare=names_from,
    ),
    Setting(
        name="include",
        type=Names,
        default=(),
        doc="More modules to import, after `imports`.",
        group=GROUP,
        prepare=names_from,
    ),
    Setting(
        name="timezone",
        type=str | None,
        default=None,
        doc="Zone for schedules and display; none: UTC with `enable_utc`, else the machine's own.",
        group=GROUP,
        prepare=_zone_name,
        check=_known_zone,
    ),
    Setting(
        name="enable_utc",
        type=bool,
        default=True,
        doc="With no `timezone`, moments without an offset (`eta`, `expires`) are in UTC; otherwise in the "
        "machine's own zone. Messages always carry the offset.",
        group=GROUP,
    ),
)
