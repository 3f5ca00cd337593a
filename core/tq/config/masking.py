"""Values as they may be shown: in errors, reports and logs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tq.config.setting import Setting
from tq.options import mask_url

_SECRET_WORD = re.compile(
    r"passw|passphrase|secret|token|credential|(private|api|account|access)_?key", re.IGNORECASE
)
_HIDDEN = "**"
_LONGEST = 300


def shown(setting: Setting, value: Any) -> str:
    """`repr` of the value without its secrets, shortened to a line."""
    return _short(repr(masked(value, secret=setting.secret or is_secret(setting.name))))


def is_secret(name: str) -> bool:
    """Whether a value under this name is nobody's business."""
    return _SECRET_WORD.search(name) is not None


def masked(value: Any, *, secret: bool = False) -> Any:
    """The value with secrets replaced: all of it, or passwords in URLs and values under telling keys."""
    if value is None or isinstance(value, bool):
        return value
    if secret:
        return _HIDDEN
    if isinstance(value, str):
        return mask_url(value) if "://" in value else value
    if isinstance(value, Mapping):
        return {
            key: masked(item, secret=isinstance(key, str) and is_secret(key)) for key, item in value.items()
        }
    if type(value) in (list, tuple):
        return type(value)(masked(item) for item in value)
    return value


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
