"""Use one plugin in an environment that has nothing else: `python use.py KIND WHAT`. It prints what came of it."""

from __future__ import annotations

import sys

from tq import TQ
from tq.errors import BackendUnavailable, BrokerUnavailable, ImproperlyConfigured
from tq.plugins import registry
from tq.records import Envelope, Message, TaskMeta


def broker(url: str) -> str:
    """Send a message where nothing listens: a missing client library would be another error."""
    made = registry.load_broker(url)
    answer: Exception | None
    try:
        [answer] = made.publish([Envelope(Message({"id": "1", "task": "t"}, {}, b"[]"), "q")], timeout=2.0)
    except BrokerUnavailable as exc:
        answer = exc
    made.close()
    return type(answer).__name__


def backend(url: str) -> str:
    """The same with a result."""
    made = registry.load_backend(url, serializer=registry.load_serializer("json"), expires=None)
    try:
        made.store([TaskMeta("1", "SUCCESS", 1)])
    except BackendUnavailable as exc:
        return type(exc).__name__
    finally:
        made.close()
    return "stored"


def serializer(name: str) -> str:
    """Write and read; what needs keys says so."""
    try:
        found = registry.load_serializer(name, TQ("use").conf)
    except ImproperlyConfigured as exc:
        return type(exc).__name__
    return repr(found.loads(found.dumps({"a": [1, "ü"]})))


def observer(name: str) -> str:
    """What an observer observes; it is loaded for that."""
    [found] = [plugin for plugin in registry.installed() if (plugin.kind, plugin.name) == ("hook", name)]
    return found.error or found.capabilities


if __name__ == "__main__":
    ways = {"broker": broker, "backend": backend, "serializer": serializer, "observer": observer}
    print(ways[sys.argv[1]](sys.argv[2]))
