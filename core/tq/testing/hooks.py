"""`HooksConformance`: the tests of every plugin in the group `tq.hooks`."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import click
import msgspec
import pytest

from tq.contracts import StopMode
from tq.contracts.control import CommandInfo
from tq.contracts.hooks import COLLECTING, ExtraSetting, Page, Switchable
from tq.errors import Retry
from tq.plugins.hooks import HookManager
from tq.plugins.observer import hook_arguments
from tq.records import Delivery, Envelope, Message, QueueStats


class _Worker:
    """See `tq.contracts.hooks.WorkerInfo`."""

    hostname = "conformance@localhost"
    concurrency = 1
    queues = ("celery",)

    def running(self) -> int:
        return 0

    def queue_stats(self) -> Sequence[QueueStats]:
        return ()

    def trouble(self) -> str | None:
        return None


class _Request(msgspec.Struct):
    """See `tq.contracts.hooks.RequestInfo`."""

    id: str = "conformance"
    task: str = "conformance.task"
    args: Sequence[Any] = ()
    kwargs: Mapping[str, Any] = {}
    retries: int = 0
    attempt: int = 1
    queue: str = "celery"
    headers: Mapping[str, Any] = {}


_ADDED: Mapping[str, type] = {
    "tq_settings": ExtraSetting,
    "tq_commands": click.Command,
    "tq_control_commands": CommandInfo,
    "tq_pages": Page,
}
_ORDER = (
    *("worker_starting", "worker_ready", "child_started", "message_publishing", "message_published"),
    *("message_failed", "task_received", "task_prerun", "task_success", "task_failure", "task_retry"),
    *("task_revoked", "task_rejected", "task_unknown", "message_rejected", "task_postrun"),
    *("child_stopping", "worker_stopping", "worker_stopped"),
)
"""As a worker could call them."""


def _arguments() -> dict[str, Any]:
    message = Message({"id": "conformance", "task": "conformance.task"}, {}, b"[[],{},{}]")
    error = ValueError("conformance")
    return {
        "worker": _Worker(),
        "mode": StopMode.WARM,
        "hostname": _Worker.hostname,
        "pid": 1,
        "exitcode": 0,
        "request": _Request(),
        "state": "SUCCESS",
        "retval": None,
        "result": None,
        "runtime": 1.5,
        "exception": error,
        "traceback": "ValueError: conformance",
        "task_id": "conformance",
        "name": "conformance.task",
        "requeue": False,
        "delivery": Delivery(message, "celery", 0),
        "envelope": Envelope(message, "celery"),
        "follows": (),
    }


_REASONS: Mapping[str, Any] = {"task_retry": Retry(when=1.0), "task_revoked": "revoked"}


class HooksConformance:
    """Inherit and set `plugin`: what the entry point names, a class, an object, or a module.

    The hooks are called as a worker calls them, with a worker, a request and messages that are not real. Override
    the fixture `settings_of_user` where the plugin wants other settings than its defaults.
    """

    plugin: ClassVar[object]

    @pytest.fixture
    def settings_of_user(self) -> Mapping[str, Any]:
        """What an app would set for this plugin."""
        return {}

    @pytest.fixture
    def hooks(self) -> HookManager:
        made = HookManager()
        made.register(self.plugin, name="conformance")
        return made

    @pytest.fixture
    def settings(self, hooks: HookManager, settings_of_user: Mapping[str, Any]) -> Mapping[str, Any]:
        """The plugin's own settings, and those of tq that its `wanted` may ask for, as None."""
        own = {found.value.name: found.value.default for found in hooks.collect("tq_settings")}
        return _Settings({**own, **settings_of_user})

    def test_it_implements_a_hook(self, hooks: HookManager) -> None:
        """Without `@hookimpl` a function is not called, and nobody says so while tasks run."""
        assert hooks.implemented("conformance"), "no hook is implemented: is @hookimpl missing?"

    def test_no_observer_raises(
        self, hooks: HookManager, settings: Mapping[str, Any], caplog: pytest.LogCaptureFixture
    ) -> None:
        """What an observer raises is logged and dropped: what it was to do has not been done."""
        caplog.set_level(logging.ERROR, "tq.hooks")
        if isinstance(plugin := hooks.plugin("conformance"), Switchable):
            plugin.wanted(settings)
        given = _arguments()
        for name in _ORDER:
            tell = hooks.bind(name)
            if tell is not None:
                reason = _REASONS.get(name, "conformance")
                tell(**{key: given.get(key, reason) for key in hook_arguments(name)})
        assert [record.getMessage() for record in caplog.records if record.name == "tq.hooks"] == []

    @pytest.mark.parametrize("hook", sorted(COLLECTING))
    def test_what_it_adds_is_of_the_right_kind(
        self, hooks: HookManager, hook: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        """One addition that cannot be used would take the plugin's others with it."""
        added = [found.value for found in hooks.collect(hook)]
        assert [record.getMessage() for record in caplog.records if record.name == "tq.hooks"] == []
        assert [value for value in added if not isinstance(value, _ADDED[hook])] == []

    def test_settings_have_a_text_and_a_default_that_fits(self, hooks: HookManager) -> None:
        """An app that sets nothing must work, and `docs` of a setting are all that its user sees."""
        for setting in (found.value for found in hooks.collect("tq_settings")):
            assert setting.doc.strip(), f"{setting.name} has no text"
            if setting.default is not None:
                msgspec.convert(setting.default, setting.type)

    def test_whether_it_is_wanted_is_answered(self, hooks: HookManager, settings: Mapping[str, Any]) -> None:
        """One that cannot say so is left out."""
        plugin = hooks.plugin("conformance")
        if not isinstance(plugin, Switchable):
            pytest.skip("it is always wanted: it has no `wanted`")
        assert isinstance(plugin.wanted(settings), bool)


class _Settings(dict[str, Any]):
    """Settings of tq that the plugin does not declare are None here."""

    def __missing__(self, key: str) -> None:
        return None
