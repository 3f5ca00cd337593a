"""The configuration reference, written from the definitions: `python -m tq.config.docs > docs/configuration.md`."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec

from tq.config import celery_names
from tq.config.definitions import DEFINITIONS
from tq.config.setting import Setting
from tq.records import Queue

_HEAD = """\
# Configuration

<!-- Written by `python -m tq.config.docs`; change the definitions in core/tq/config, not this file. -->

Settings have Celery's names. A name that is no setting, and a value that a setting cannot take, is an error that
says where it was written and what is expected. `tq report` shows every setting with its value and where that value
comes from; passwords are masked there and in every error.

## Where settings come from

The later one in this list wins:

1. the default;
2. a file: `tq.toml`, or `[tool.tq]` in `pyproject.toml`;
3. an environment variable: `TQ_` and the name in upper case;
4. a module, class or mapping: `app.config_from_object(...)`, `app.config_from_envvar(...)`; of several the last;
5. Python: `TQ(...)`, `app.conf.update(...)`, `app.conf.NAME = ...`, options of commands; the last one written.

Nothing is read before the first setting is used, so making an app does no I/O.

### File

```toml
# tq.toml
broker_url = "redis://localhost:6379/0"
result_backend = "redis://localhost:6379/1"
worker_concurrency = 4

[broker_transport_options]
socket_timeout = 5

[profile.production]
broker_url = "redis://queue.internal:6379/0"
```

In `pyproject.toml` the same stands under `[tool.tq]`, `[tool.tq.broker_transport_options]` and
`[tool.tq.profile.production]`. `TQ_PROFILE=production` puts that profile's settings over the others of the file.

The file is looked for in the working directory and above, up to the first folder that has a `pyproject.toml` or a
`.git`; outside of projects only in the working directory. `TQ_CONFIG=PATH` names it instead. TOML has no word for
nothing: write `"none"`.

### Environment

`TQ_BROKER_URL=redis://localhost:6379/0`, `TQ_TASK_ACKS_LATE=false`, `TQ_INCLUDE=shop.tasks,shop.mail`. Mappings, and
lists of more than names, are written as JSON: `TQ_BROKER_TRANSPORT_OPTIONS='{"socket_timeout": 5}'`. `none` stands for
nothing. An empty variable counts as not there. A `TQ_` variable that is no setting is an error, as everywhere; what is
left alone: `TQ_CONFIG`, `TQ_PROFILE`, `TQ_APP`, `TQ_DISABLE_PLUGINS`, `TQ_TEST_*`, `TQ_BENCH_*`, and what Kubernetes
sets for a service called `tq`. Celery's own `CELERY_BROKER_URL` and `CELERY_RESULT_BACKEND` are not read; where they
are set and nothing of tq is, a warning says so.

### Python

```python
app = TQ("shop", broker="redis://localhost:6379/0", task_acks_late=False)
app.conf.update(result_expires=timedelta(hours=1))
app.conf.task_default_queue = "shop"
app.config_from_object("celeryconfig")                            # names as in the tables below
app.config_from_object("django.conf:settings", namespace="CELERY")   # CELERY_BROKER_URL, ...
app.config_from_envvar("SHOP_CONFIG")                             # the variable holds the module's name
```

A module may hold helpers beside its settings: imports, functions, classes, names in upper case and names that begin
with an underscore are not looked at. Any other plain value is taken for a setting.

Durations are seconds; Python may give a `timedelta`.
"""

_REFUSED = """\
## Settings of Celery that are refused

They would change nothing, and whoever sets them relies on them; so each is an error that says what to do instead. The
spellings of Celery 3 (`CELERY_ACKS_LATE`) are refused too, with today's name.

A plugin may define one of these names; then it is a setting like any other.
"""

_WITHOUT_EFFECT = """\
## Settings of Celery that have no effect

They are taken, with one warning each, so that moving over is easy: what they tune does not exist here, and nothing is
lost without it.
"""


def reference() -> str:
    """The whole reference as Markdown."""
    groups: dict[str, list[Setting]] = {}
    for setting in DEFINITIONS:
        groups.setdefault(setting.group, []).append(setting)
    parts = [_HEAD, *(_section(group, settings) for group, settings in groups.items())]
    refused = celery_names.REFUSED | {
        f"{first}*": why for first, why in celery_names.REFUSED_FAMILIES.items()
    }
    refused |= dict.fromkeys(celery_names.REFUSED_DAEMON, celery_names.COMMAND)
    parts += [
        _REFUSED,
        _pairs("Instead", refused),
        _WITHOUT_EFFECT,
        _pairs("Why", celery_names.WITHOUT_EFFECT),
    ]
    return "\n".join(parts)


def type_text(kind: Any, unit: str = "") -> str:
    """A type in words: "number of seconds, at least 2, or none"."""
    arms = [arm for one in _arms(kind) for arm in _arms(one)]
    texts = [_arm_text(arm, unit) for arm in arms if arm is not NoneType]
    return " or ".join(texts) + (", or none" if NoneType in arms else "")


def _arms(kind: Any) -> tuple[Any, ...]:
    return get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)


def _arm_text(kind: Any, unit: str) -> str:
    of_unit = f" of {unit}" if unit else ""
    names = {
        bool: "true or false",
        int: f"whole number{of_unit}",
        float: f"number{of_unit}",
        str: "text",
        Any: "see there",
    }
    if get_origin(kind) is Annotated:
        base, *metas = get_args(kind)
        bounds = (bound for meta in metas if isinstance(meta, msgspec.Meta) for bound in _bounds(meta))
        return ", ".join([_arm_text(base, unit), *bounds])
    if get_origin(kind) is Literal:
        return " or ".join(map(repr, get_args(kind)))
    if get_origin(kind) in (tuple, list):
        return "list of queues" if Queue in get_args(kind) else "list of names"
    return "mapping" if get_origin(kind) is dict else names[kind]


def _bounds(meta: msgspec.Meta) -> list[str]:
    bounds = (("at least", meta.ge), ("more than", meta.gt), ("at most", meta.le), ("less than", meta.lt))
    return [f"{words} {limit}" for words, limit in bounds if limit is not None]


def _section(group: str, settings: Iterable[Setting]) -> str:
    rows = [f"## {group}\n", "| Name | Value | Default | Meaning |", "| --- | --- | --- | --- |"]
    for setting in settings:
        value = type_text(setting.type, setting.unit)
        doc = f"{setting.doc} No effect yet: {setting.not_yet}." if setting.not_yet else setting.doc
        rows.append(f"| `{setting.name}` | {value} | {_default(setting)} | {doc} |")
    return "\n".join(rows) + "\n"


def _default(setting: Setting) -> str:
    if setting.default_doc:
        return setting.default_doc
    if isinstance(setting.default, tuple):
        return ", ".join(f"`{item}`" for item in setting.default) or "no names"
    if isinstance(setting.default, bool):
        return f"`{str(setting.default).lower()}`"
    return "none" if setting.default is None else f"`{setting.default}`"


def _pairs(title: str, names: Mapping[str, str]) -> str:
    rows = [
        f"| Name | {title} |",
        "| --- | --- |",
        *(f"| `{name}` | {why} |" for name, why in sorted(names.items())),
    ]
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    sys.stdout.write(reference())
