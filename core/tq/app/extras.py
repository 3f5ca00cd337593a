"""What plugins add to an app: settings, and observers of its messages and its worker."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from tq import signals
from tq.config.setting import Setting
from tq.contracts.hooks import ExtraSetting
from tq.plugins.tellers import both

if TYPE_CHECKING:
    from tq.app.sending import Sending
    from tq.plugins.hooks import HookManager

Observer = Callable[..., None] | None


def extra_settings(hooks: HookManager) -> Sequence[Setting]:
    """The settings that hook plugins declare."""
    return [_setting(found.value, found.plugin) for found in hooks.collect("tq_settings")]


def _setting(extra: ExtraSetting, plugin: str) -> Setting:
    return Setting(
        name=extra.name,
        type=extra.type,
        default=extra.default,
        doc=extra.doc,
        group=plugin,
        unit=extra.unit,
        secret=extra.secret,
    )


def hooks_of(app: Sending) -> HookManager:
    """The hook manager of an app with its signals' receivers as they are now."""
    manager = app.hooks
    if manager.has(_SIGNALS):
        manager.unregister(_SIGNALS)
    manager.register(signals.plugin(app.tasks), name=_SIGNALS)
    manager.switch(app.conf)
    return manager


_SIGNALS = "tq.signals"


def publishing_hooks(app: Sending) -> dict[str, Observer]:
    """Observers of messages before and after they are published, as `Publisher` takes them; None where nobody
    listens."""
    # A web application may import the module that connects a receiver after its first publish.
    signals.before_task_publish.watch(app.hear_again)
    signals.after_task_publish.watch(app.hear_again)
    manager = hooks_of(app)
    published = manager.bind("message_published")
    if app.conf.task_send_sent_event:
        published = both(published, lambda envelope: app.events.sent(envelope))
    return {
        "publishing": manager.bind("message_publishing"),
        "published": published,
        "failed": manager.bind("message_failed"),
    }
