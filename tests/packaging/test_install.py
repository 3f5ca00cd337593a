"""What `pip install` brings: the named plugins, found, and no others."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.packaging.environment import Environment, run
from tests.packaging.wheel import hashed_files
from tests.project import ALWAYS, BUNDLE, CORE, PLUGINS, ROOT, Part

MakeEnvironment = Callable[..., Environment]
FILE = Path(__file__).with_name("wheel.py")
NOWHERE = "127.0.0.1:1"
"""Nothing listens there."""
ROUND_TRIP = repr({"a": [1, "ü"]})
DONE = '"failures": []'
USES: dict[str, dict[str, str]] = {
    "amqp": {f"broker amqp://{NOWHERE}": "BrokerUnavailable"},
    "asyncio": {"demo -P asyncio": DONE},
    "auth": {"serializer auth": "ImproperlyConfigured"},
    "eventlet": {"demo -P eventlet": DONE},
    "filesystem": {"demo -P solo --broker filesystem://queue --backend file://results": DONE},
    "gevent": {"demo -P gevent": DONE},
    "mariadb": {f"broker mariadb://{NOWHERE}/tq": "BrokerUnavailable"},
    "memcache": {f"backend memcache://{NOWHERE}/": "BackendUnavailable"},
    "mongodb": {f"broker mongodb://{NOWHERE}/tq": "BrokerUnavailable"},
    "msgpack": {"serializer msgpack": ROUND_TRIP},
    "mysql": {f"broker mysql://{NOWHERE}/tq": "BrokerUnavailable"},
    "opentelemetry": {"observer opentelemetry": "task_prerun"},
    "pickle": {"serializer pickle": ROUND_TRIP},
    "postgresql": {f"broker postgresql://{NOWHERE}/tq": "BrokerUnavailable"},
    "prefork": {"demo -P prefork": DONE},
    "prometheus": {"observer prometheus": "task_prerun"},
    "redis": {f"broker redis://{NOWHERE}": "BrokerUnavailable"},
    "s3": {f"backend s3://key:secret@bucket/?endpoint_url=http://{NOWHERE}": "BackendUnavailable"},
    "sql": {"demo -P solo --broker sqlite:///tq.db": DONE},
    "sqs": {f"broker sqs://key:secret@{NOWHERE}/?region=eu-west-1": "BrokerUnavailable"},
    "threads": {"demo -P threads": DONE},
    "yaml": {"serializer yaml": ROUND_TRIP},
}
"""How each extra is used without a server, and what comes of it."""
BASE = {"tq", "tq-core", *(f"tq-{name}" for name in ALWAYS)}


def _declared(parts: Iterable[Part]) -> dict[str, set[str]]:
    """Return the entry points that the pyproject files of these parts declare, by group."""
    declared: dict[str, set[str]] = {}
    for part in parts:
        for group, points in part.project.get("entry-points", {}).items():
            declared.setdefault(group, set()).update(points)
    return declared


def _named(extra: str) -> set[str]:
    """Return the distributions of ours that an extra of `tq` lists."""
    listed = {Requirement(text).name for text in BUNDLE.project["optional-dependencies"][extra]}
    return listed & {plugin.name for plugin in PLUGINS}


def _same_files(dist: Path, environment: Environment) -> bool:
    """Say whether everything of tq's that is installed came from our wheels, by the hashes."""
    installed = environment.distributions()
    return all(
        hashed_files(dist, name) <= set(installed[name][1].splitlines()) for name in environment.ours()
    )


def test_one_extra_brings_its_plugin_and_no_other(dist: Path, environment: MakeEnvironment) -> None:
    empty = environment()
    empty.uv("install", "--find-links", dist, "tq[redis]")
    assert empty.ours() == BASE | {"tq-redis"}
    assert _same_files(dist, empty)
    listed = json.loads(run(empty.folder / "bin" / "tq", "plugins", "--json", cwd=empty.folder))
    assert {plugin["distribution"] for plugin in listed} == {"tq-core", "tq-sql", "tq-prefork", "tq-redis"}
    assert [plugin for plugin in listed if plugin["error"]] == []


def test_without_an_extra_there_are_the_embedded_broker_and_the_default_pool(
    dist: Path, environment: MakeEnvironment
) -> None:
    empty = environment()
    empty.uv("install", "--find-links", dist, "tq")
    assert empty.ours() == BASE
    found = empty.loaded_entry_points()
    assert "sqlite" in found["tq.brokers"]
    assert "prefork" in found["tq.pools"]


@pytest.mark.parametrize("extra", [*sorted(BUNDLE.project["optional-dependencies"]), "redis,sqs"])
def test_every_extra_brings_the_plugins_it_names_and_they_can_be_used(
    dist: Path, environment: MakeEnvironment, extra: str
) -> None:
    wanted = BASE.union(*(_named(each) for each in extra.split(",")))
    empty = environment()
    empty.uv("install", "--find-links", dist, f"tq[{extra}]")
    assert empty.ours() == wanted
    parts = [CORE, *(p for p in PLUGINS if p.name in wanted)]
    assert {group: set(names) for group, names in empty.loaded_entry_points().items()} == _declared(parts)
    for each in sorted(USES) if extra == "all" else extra.split(","):
        for words, said in USES[each].items():
            assert said in _use(empty, *words.split()), f"{each}: {words}"


def _use(environment: Environment, kind: str, *words: str) -> str:
    """Use a plugin of the environment: the demo, or one step of `use.py`."""
    folder = environment.folder
    if kind == "demo":
        return run(folder / "bin" / "tq", "-q", "demo", FILE, "--json", *words, cwd=folder)
    return run(environment.python, "-I", Path(__file__).with_name("use.py"), kind, *words, cwd=folder)


def test_plain_pip_takes_all_of_tq_from_our_wheels(dist: Path, environment: MakeEnvironment) -> None:
    words = ("install", "--quiet", "--dry-run", "--report", "-", "--find-links", dist, "tq[all]")
    report = json.loads(environment(pip=True).pip(*words))
    places = {item["metadata"]["name"]: item["download_info"]["url"] for item in report["install"]}
    ours = {name: url for name, url in places.items() if name == "tq" or name.startswith("tq-")}
    assert set(ours) == BASE | _named("all")
    assert [url for url in ours.values() if not url.startswith(dist.as_uri())] == []


def test_the_first_command_of_the_readme_works_in_a_fresh_environment(environment: MakeEnvironment) -> None:
    line = re.search(r"python -m pip install (\./core[^&\n]*)", (ROOT / "README.md").read_text())
    assert line, "README.md no longer shows how to install from a checkout"
    fresh = environment(pip=True)
    fresh.pip("install", "--quiet", *shlex.split(line[1]), cwd=ROOT)
    assert fresh.ours() >= BASE
    assert "sqlite" in fresh.loaded_entry_points()["tq.brokers"]
