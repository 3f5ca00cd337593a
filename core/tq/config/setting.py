"""One setting: what it is called, which values it takes, and what it means."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """The definition of one setting.

    `type` is what `msgspec.convert` checks against, bounds included (`Annotated[float, Meta(ge=2)]`).
    `prepare` brings other spellings of a value into that type's form before the check, `check` looks at the
    converted value and returns the one to keep; both raise `ValueError` with what is expected. `unit` is
    "seconds", "bytes", ... or empty; where it is "seconds" a `timedelta` is taken too. `default_of` gives a
    default that follows from other settings. A `secret` is never shown. `not_yet` says why a value other than
    the default has no effect so far; giving one warns.
    """

    name: str
    type: Any
    default: Any
    doc: str
    group: str
    unit: str = ""
    secret: bool = False
    not_yet: str = ""
    default_doc: str = ""
    default_of: Callable[[Callable[[str], Any], Callable[[str], bool]], Any] | None = None
    prepare: Callable[[Any], Any] | None = None
    check: Callable[[Any], Any] | None = None
