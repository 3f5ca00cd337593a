"""A client library that is missing: every plugin says which, and the command that brings it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.project import PLUGINS

WITHOUT = """
import sys
from tq.errors import TQError
from tq.plugins import registry
from tq.records import Envelope, Message

kind, what, module = sys.argv[1:]

class Gone:
    # As if the library were not installed.
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == module:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Gone())
try:
    if kind == "broker":
        registry.load_broker(what).publish([Envelope(Message({"id": "1", "task": "t"}, {}, b"[]"), "q")], timeout=1)
    elif kind == "backend":
        registry.load_backend(what, serializer=registry.load_serializer("json"), expires=None).get(["1"])
    elif kind == "serializer":
        registry.load_serializer(what)
    elif kind == "hook":
        print(*(plugin.error for plugin in registry.installed() if (plugin.kind, plugin.name) == (kind, what)))
    else:
        from tq.cli import main
        main(["worker", "-b", "memory://", "-P", what])
except TQError as exc:
    print(exc)
"""
CASES = [
    ("auth", "serializer", "auth", "cryptography"),
    ("eventlet", "pool", "eventlet", "eventlet"),
    ("gevent", "pool", "gevent", "gevent"),
    ("memcache", "backend", "memcache://h/", "pymemcache"),
    ("mongodb", "broker", "mongodb://h/d", "pymongo"),
    ("mongodb", "backend", "mongodb://h/d", "pymongo"),
    ("msgpack", "serializer", "msgpack", "msgpack"),
    ("opentelemetry", "hook", "opentelemetry", "opentelemetry"),
    ("prometheus", "hook", "prometheus", "prometheus_client"),
    ("redis", "broker", "redis://h", "redis"),
    ("s3", "backend", "s3://b", "boto3"),
    ("sql", "broker", "sqlite:///t.db", "sqlalchemy"),
    ("sql", "broker", "postgresql://h/d", "psycopg"),
    ("sql", "broker", "mysql://h/d", "pymysql"),
    ("sqs", "broker", "sqs://k:s@eu-west-1", "boto3"),
    ("yaml", "serializer", "yaml", "yaml"),
]
NEED_NONE = {"amqp", "asyncio", "filesystem", "pickle", "prefork", "threads"}
"""What needs nothing but Python and the core: amqp has a client of its own, uvloop is a choice."""


@pytest.mark.parametrize(("plugin", "kind", "what", "module"), CASES)
def test_a_missing_library_is_named_with_the_command_that_brings_it(
    tmp_path: Path, plugin: str, kind: str, what: str, module: str
) -> None:
    words = [sys.executable, "-c", WITHOUT, kind, what, module]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    said = done.stdout + done.stderr
    assert "Traceback" not in said
    assert module in said
    assert "pip install" in said
    assert f"tq-{plugin}" in said or f"tq[{plugin}]" in said


def test_every_plugin_is_in_the_table_or_needs_nothing() -> None:
    named = {plugin for plugin, *_ in CASES}
    assert named | NEED_NONE == {plugin.folder.name for plugin in PLUGINS}
    assert not named & NEED_NONE
