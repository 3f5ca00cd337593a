"""Every definition holds together: default, type, bounds, static type, environment."""

from __future__ import annotations

import json
import typing
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tq.config import Settings
from tq.config.convert import convert
from tq.config.definitions import DEFINITIONS
from tq.config.fields import SettingsFields
from tq.config.routes import Routes
from tq.config.setting import Setting

NAMES = [setting.name for setting in DEFINITIONS]
each_setting = pytest.mark.parametrize("setting", DEFINITIONS, ids=lambda s: s.name)

WORDS = st.text(st.characters(codec="utf-8", categories=["L", "N", "Zs"]), min_size=1).filter(
    lambda text: text.lower() not in ("none", "null", "auto") and text.strip() == text
)
FORMS_OF_TLS = st.sampled_from([None, True, False, {"ca_certs": "ca.pem", "cert_reqs": "CERT_NONE"}])
OF_A_FORM: dict[str, st.SearchStrategy[Any]] = {
    "broker_use_ssl": FORMS_OF_TLS,
    "redis_backend_use_ssl": FORMS_OF_TLS,
    "timezone": st.sampled_from(["UTC", "Europe/Berlin"]),
    "broker_url": st.sampled_from(["redis://:p@h/0", "memory://"]),
    "result_backend": st.sampled_from(["redis://:p@h/0", "cache+memory://"]),
    "task_default_rate_limit": st.sampled_from(["10", "0.5", "10/s", "100/m", "7/h"]),
    "task_queues": st.lists(WORDS, unique=True),
    "worker_redirect_stdouts_level": st.sampled_from(["DEBUG", "ERROR"]),
    "beat_schedule": st.dictionaries(WORDS, st.dictionaries(WORDS, st.integers())),
    "task_routes": st.dictionaries(WORDS, st.dictionaries(WORDS, WORDS)),
}


def values(kind: Any) -> st.SearchStrategy[Any]:
    """Values of a type, within its bounds."""
    origin, args = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return st.one_of([values(arm) for arm in args])
    if origin is Annotated:
        return bounded(args[0], args[1])
    if origin is Literal:
        return st.sampled_from(args)
    if origin is tuple:
        return st.lists(WORDS).map(tuple)
    if origin is dict:
        return st.dictionaries(WORDS, st.none() | st.booleans() | st.integers() | WORDS)
    return {bool: st.booleans(), str: WORDS, int: st.integers(), NoneType: st.none()}[kind]


def bounded(kind: Any, meta: msgspec.Meta) -> st.SearchStrategy[Any]:
    low = meta.ge if meta.ge is not None else meta.gt
    if kind is str:
        return WORDS
    if kind is int:
        return st.integers(int(low or 0), 1_000_000 if meta.le is None else int(meta.le))
    return st.floats(low, 1e9, exclude_min=meta.gt is not None)


def some_values(setting: Setting) -> st.SearchStrategy[Any]:
    return OF_A_FORM[setting.name] if setting.name in OF_A_FORM else values(setting.type)


def as_text(value: Any) -> str:
    return value if isinstance(value, str) else "none" if value is None else json.dumps(value)


@each_setting
def test_a_default_is_a_valid_value(setting: Setting) -> None:
    assert convert(setting, setting.default, "default", strict=True) == setting.default


@each_setting
def test_a_definition_is_documented(setting: Setting) -> None:
    assert setting.doc.endswith(".")
    assert setting.group


def test_names_are_unique() -> None:
    assert len(set(NAMES)) == len(NAMES)


@pytest.mark.filterwarnings("ignore::tq.config.catalog.IneffectiveSetting")
@settings(max_examples=20)
@given(data=st.data())
@each_setting
def test_every_setting_reads_the_same_from_the_environment_as_from_python(
    setting: Setting, data: st.DataObject
) -> None:
    value = data.draw(some_values(setting), label=setting.name)
    from_python = Settings({setting.name: value}, files=False, environ={})
    from_environment = Settings(files=False, environ={f"TQ_{setting.name.upper()}": as_text(value)})
    assert from_environment[setting.name] == from_python[setting.name]
    assert from_environment.origin(setting.name) == f"environment TQ_{setting.name.upper()}"


def test_the_static_types_are_those_of_the_definitions() -> None:
    checked = type("Checked", (), {"__annotations__": {s.name: s.type for s in DEFINITIONS}})
    static = typing.get_type_hints(SettingsFields)
    assert static.pop("task_routes") == Routes | None
    assert static == {
        name: kind for name, kind in typing.get_type_hints(checked).items() if name != "task_routes"
    }


def test_every_default_can_be_read() -> None:
    conf = Settings(files=False, environ={})
    assert {name: conf[name] for name in conf} == {
        setting.name: conf.broker_url if setting.name == "result_backend" else setting.default
        for setting in DEFINITIONS
    }


def test_two_apps_do_not_share_a_mutable_default() -> None:
    one, other = (Settings(files=False, environ={}) for _ in range(2))
    one.beat_schedule["nightly"] = {"task": "clean"}
    one.update(timezone="UTC")
    assert one.beat_schedule == {"nightly": {"task": "clean"}}
    assert other.beat_schedule == {}
