"""From what a source says to the value that the rest of tq reads."""

from __future__ import annotations

import datetime as dt
import math
from types import NoneType
from typing import Any, get_args

import msgspec

from tq.config.masking import shown
from tq.config.setting import Setting
from tq.errors import ImproperlyConfigured

_TAKES_NOTHING = ("none", "null")


def convert(setting: Setting, value: Any, origin: str, *, strict: bool) -> Any:
    """Check `value` and bring it into the setting's type.

    `strict` is for values written in Python; otherwise texts that hold a number, a boolean or none are read
    as such. Raises `ImproperlyConfigured` naming setting, value, origin and what is expected.
    """
    try:
        return _convert(setting, value, strict)
    except msgspec.ValidationError as exc:
        expected = str(exc)
        raise ImproperlyConfigured(
            _sentence(setting, value, origin, expected[:1].lower() + expected[1:])
        ) from None
    except ValueError as exc:
        raise ImproperlyConfigured(_sentence(setting, value, origin, f"expected {exc}")) from None


def from_text(setting: Setting, text: str, origin: str) -> Any:
    """The same for the text of an environment variable.

    Lists and mappings are written as JSON; a list of names may be written with commas.
    """
    try:
        value = _structure(setting, text)
    except (msgspec.DecodeError, UnicodeError) as exc:
        raise ImproperlyConfigured(_sentence(setting, text, origin, f"expected JSON, but {exc}")) from None
    return convert(setting, value, origin, strict=False)


def _convert(setting: Setting, value: Any, strict: bool) -> Any:
    if isinstance(value, dt.timedelta) and setting.unit == "seconds":
        value = value.total_seconds()
    if not strict and isinstance(value, str) and value.lower() in _TAKES_NOTHING and _optional(setting.type):
        value = None
    if setting.prepare is not None:
        value = setting.prepare(value)
    value = msgspec.convert(value, setting.type, strict=strict)
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("a finite number")
    return value if setting.check is None else setting.check(value)


def _structure(setting: Setting, text: str) -> Any:
    shapes = {getattr(part, "__origin__", part) for part in (setting.type, *get_args(setting.type))}
    if not shapes & {tuple, list, dict, Any}:
        return text
    if text.lstrip().startswith(("[", "{")):
        return msgspec.json.decode(text)
    if shapes & {tuple, list} and text.lower() not in _TAKES_NOTHING:
        return [name.strip() for name in text.split(",") if name.strip()]
    return text


def _optional(kind: Any) -> bool:
    return kind is Any or NoneType in get_args(kind)


def _sentence(setting: Setting, value: Any, origin: str, expected: str) -> str:
    unit = f", in {setting.unit}" if setting.unit else ""
    return f"setting {setting.name} = {shown(setting, value)} ({origin}): {expected}{unit}"
