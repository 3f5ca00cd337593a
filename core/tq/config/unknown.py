"""What to say about a name that is no setting."""

from __future__ import annotations

from collections.abc import Collection

from tq.config import celery_names
from tq.errors import UnknownSetting


def unknown(name: str, written: str, origin: str, names: Collection[str]) -> UnknownSetting:
    """The error for `name`, which stood as `written` in `origin`, where `names` are the settings there are."""
    return UnknownSetting(f"no setting {written} ({origin}): {_advice(name, names)}")


def explains(name: str, names: Collection[str]) -> bool:
    """Whether more than "did you mean" can be said: a name of Celery, or a setting in the wrong case."""
    lower = name.lower()
    return lower in names or _is_celery(lower) or celery_names.new_name(lower, _knower(names)) is not None


def _advice(name: str, names: Collection[str]) -> str:
    lower = name.lower()
    if lower != name and lower in names:
        return f"settings are written in lower case: {lower}"
    old = celery_names.new_name(lower, _knower(names)) or celery_names.new_name(
        f"celery_{lower}", _knower(names)
    )
    if refusal := celery_names.refusal(lower):
        return f"this setting of Celery is not one of tq: {refusal}"
    if old is not None:
        return f"this is an old spelling of Celery for {old}{_then(old)}"
    return _suggestion(lower, names)


def _then(name: str) -> str:
    why = celery_names.refusal(name)
    return f", which is not a setting of tq: {why}" if why else ""


def _suggestion(name: str, names: Collection[str]) -> str:
    import difflib

    close = difflib.get_close_matches(name, sorted(names), n=3, cutoff=0.7)
    if close:
        return f"did you mean {' or '.join(close)}?"
    return "`tq report` lists all settings; those of a plugin exist only where it is installed"


def _is_celery(name: str) -> bool:
    return name in celery_names.WITHOUT_EFFECT or celery_names.refusal(name) is not None


def _knower(names: Collection[str]):  # type: ignore[no-untyped-def]
    return lambda name: name in names or _is_celery(name)
