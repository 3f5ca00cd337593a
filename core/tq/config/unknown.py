"""What to say about a name that is no setting."""

from __future__ import annotations

from collections.abc import Collection

from tq.config import celery_names
from tq.errors import UnknownSetting


def unknown(name: str, written: str, origin: str, names: Collection[str]) -> UnknownSetting:
    """The error for `name`, which stood as `written` in `origin`, where `names` are the settings there are."""
    return UnknownSetting(f"no setting {written} ({origin}): {_advice(name, names)}")


def is_old(name: str, names: Collection[str]) -> bool:
    """Whether an upper-case name is a setting in the wrong case, or one of Celery 3."""
    lower = name.lower()
    if lower in names or lower.startswith("broker_"):
        return True
    return celery_names.new_name(lower, names) is not None


def _advice(name: str, names: Collection[str]) -> str:
    lower = name.lower()
    if lower in names:
        return f"settings are written in lower case: {lower}"
    if why := celery_names.WITHOUT_EFFECT.get(lower):
        return f"this setting of Celery has no counterpart: {why}"
    if why := celery_names.refusal(lower):
        return f"this setting of Celery is not one of tq: {why}"
    today = celery_names.new_name(lower, names) or celery_names.new_name(f"celery_{lower}", names)
    return (
        _suggestion(lower, names) if today is None else f"an old spelling of Celery for {today}{_then(today)}"
    )


def _then(name: str) -> str:
    why = celery_names.WITHOUT_EFFECT.get(name) or celery_names.refusal(name)
    return f", which tq has not: {why}" if why else ""


def _suggestion(name: str, names: Collection[str]) -> str:
    import difflib

    close = difflib.get_close_matches(name, sorted(names), n=3, cutoff=0.7)
    if close:
        return f"did you mean {' or '.join(close)}?"
    return "`tq report` lists all settings; those of a plugin exist only where it is installed"
