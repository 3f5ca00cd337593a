"""What an app opens: settings, hooks, broker, result backend, and what stands directly on them."""

from __future__ import annotations

import datetime as dt
import os
import threading
import weakref
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self, TypeVar

import msgspec

from tq.app.modules import import_object
from tq.app.serializers import Serializers
from tq.client.waiter import Waiter
from tq.config import Settings
from tq.config.queues import Default, declared_queues
from tq.contracts.results import BackendCap
from tq.errors import ImproperlyConfigured, PluginError
from tq.plugins import registry
from tq.plugins.catalog import REDIS
from tq.plugins.secure import over_tls
from tq.policy.broadcast import Broadcasts
from tq.policy.route import QueueInfo, Router
from tq.policy.times import LocalZone
from tq.records import Queue
from tq.wire.ids import new_id

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tq.app.events import AppEvents
    from tq.contracts.broker import Broker
    from tq.contracts.results import ResultBackend
    from tq.contracts.serializer import Serializer
    from tq.events.clock import Clock
    from tq.plugins.hooks import HookManager

T = TypeVar("T")


class Connections:
    """The settings of an app, and all that is opened by them when it is first needed.

    Making one connects to nothing and reads no file.
    """

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self.conf: Settings = Settings(settings, plugins=self._extra_settings)
        self.serializers: Serializers = Serializers(self.conf)
        self._oid = new_id()
        self._lock = threading.RLock()
        _forget_connections_after_fork(self)

    def config_from_object(
        self, obj: Any, silent: bool = False, force: bool = False, namespace: str | None = None
    ) -> None:
        """Take settings from a module, object or mapping, or the dotted path of one. `force` reads it now,
        `silent` passes over a path that cannot be imported."""
        self.conf.add_object(obj, namespace, silent=silent)
        if force:
            self.conf.get("broker_url")

    def config_from_envvar(self, variable: str, silent: bool = False, force: bool = False) -> None:
        """Take settings from the module that an environment variable names."""
        self.conf.add_envvar(variable, silent=silent)
        if force:
            self.conf.get("broker_url")

    def _extra_settings(self) -> Any:
        from tq.app.extras import extra_settings

        return extra_settings(self.hooks)

    @cached_property
    def hooks(self) -> HookManager:
        """The hook plugins of this app, the installed ones loaded."""
        from tq.plugins.hooks import HookManager

        manager = HookManager()
        manager.load()
        return manager

    # -- connections ---------------------------------------------------------------------------------------

    @property
    def broker_address(self) -> tuple[str, dict[str, Any]]:
        """The URL of the broker and its options, with TLS where `broker_use_ssl` asks for it."""
        conf = self.conf
        return over_tls(conf.broker_url, conf.broker_transport_options, conf.broker_use_ssl, "broker_use_ssl")

    @property
    def backend_address(self) -> tuple[str, dict[str, Any]]:
        """The same of the result backend; an empty URL where there is none."""
        conf = self.conf
        url, wanted = conf.result_backend or "", conf.redis_backend_use_ssl
        if url.partition("://")[0] not in REDIS:
            wanted = None
        return over_tls(url, conf.result_backend_transport_options, wanted, "redis_backend_use_ssl")

    @cached_property
    def broker(self) -> Broker:
        """The broker of `broker_url`; it connects on first use."""
        return self._once("broker", self._new_broker)

    def _new_broker(self) -> Broker:
        made = registry.load_broker(*self.broker_address)
        self.declare(made, [queue for queue in self.queues if not queue.broadcast])
        return made

    def declare(self, broker: Broker, queues: Iterable[Queue]) -> None:
        """Tell the broker how these queues look, and those that nobody declares."""
        highest = self.conf.task_queue_max_priority
        known = [
            queue if queue.max_priority is not None else msgspec.structs.replace(queue, max_priority=highest)
            for queue in queues
        ]
        broker.declare(known, others=Queue("", max_priority=highest))

    @cached_property
    def backend(self) -> ResultBackend | None:
        """The result backend of `result_backend`, or None."""
        url, options = self.backend_address
        if not url or url.startswith("disabled"):
            return None
        return self._once("backend", lambda: self._new_backend(url, options))

    def _new_backend(self, url: str, options: Mapping[str, Any]) -> ResultBackend:
        made = registry.load_backend(
            url,
            options,
            serializer=self._result_serializer(),
            expires=self.conf.result_expires,
        )
        if BackendCap.REPLIES in made.capabilities:
            made.over(self.broker)
        return made

    @cached_property
    def replies(self) -> ResultBackend | None:
        """The result backend, where results come as replies to this process."""
        try:
            backend = self.backend
        except PluginError:
            # Who only sends needs no driver for results.
            return None
        return backend if backend is not None and BackendCap.REPLIES in backend.capabilities else None

    def _once(self, name: str, make: Callable[[], T]) -> T:
        """Two threads that need a connection at the same time get one: `cached_property` does not see to it."""
        with self._lock:
            known: T | None = self.__dict__.get(name)
            if known is None:
                known = self.__dict__[name] = make()
            return known

    def _result_serializer(self) -> Serializer:
        conf = self.conf
        writer = self.serializers[conf.result_serializer]
        which = "accept_content" if conf.result_accept_content is None else "result_accept_content"
        if writer.content_type not in self.serializers.readers(conf[which], which):
            raise ImproperlyConfigured(
                f"results are written with result_serializer = {conf.result_serializer!r}, and {which} = "
                f"{list(conf[which])!r} forbids to read them; name it there, or choose another serializer"
            )
        return writer

    @cached_property
    def clock(self) -> Clock:
        """Orders the messages of events and remote control."""
        from tq.events.clock import Clock

        return Clock()

    @cached_property
    def events(self) -> AppEvents:
        """Events, over this app's broker."""
        from tq.app.events import AppEvents

        return AppEvents(self)

    @cached_property
    def waiter(self) -> Waiter:
        """Waits for the results that are awaited."""
        return Waiter(self._required_backend)

    def _required_backend(self) -> ResultBackend:
        if self.backend is None:
            raise ImproperlyConfigured("no result backend is configured, so nothing can be awaited")
        return self.backend

    @cached_property
    def queues(self) -> tuple[Queue, ...]:
        """The queues that are declared, as the settings were when this was first needed."""
        conf = self.conf
        default = Default(
            conf.task_default_queue,
            conf.task_default_exchange,
            conf.task_default_exchange_type,
            conf.task_default_routing_key,
        )
        return declared_queues(conf.task_queues, default)

    @cached_property
    def router(self) -> Router:
        """Decides queues, as the settings were when it was first needed."""
        conf = self.conf
        return Router(
            conf.task_routes,
            default_queue=conf.task_default_queue,
            default_priority=conf.task_default_priority,
            queues=[
                QueueInfo(q.name, q.exchange, q.routing_key, q.broadcast, q.exchange_type)
                for q in self.queues
            ],
            create_missing=conf.task_create_missing_queues,
            resolve=import_object,
        )

    @cached_property
    def broadcasts(self) -> Broadcasts:
        """The queues that are broadcasts, as the settings were when this was first needed."""
        conf = self.conf
        key = conf.task_default_routing_key or conf.task_default_queue
        return Broadcasts(self.queues, default_key=key)

    @cached_property
    def timezone(self) -> dt.tzinfo:
        """The zone of naive datetimes: `timezone`, else UTC, or the machine's own with `enable_utc` off."""
        if self.conf.timezone:
            import zoneinfo  # half a MiB, which whoever read this setting has imported already

            return zoneinfo.ZoneInfo(self.conf.timezone)
        return dt.UTC if self.conf.enable_utc else LocalZone()

    def close(self) -> None:
        """Close connections; the app can be used again and connects anew."""
        events = self.__dict__.pop("events", None)
        if events is not None:
            events.close()
        for name in ("broker", "backend"):
            connection = self.__dict__.pop(name, None)
            if connection is not None:
                connection.close()
        for name in ("publisher", "waiter", "replies"):
            self.__dict__.pop(name, None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _forget_connections_after_fork(app: Connections) -> None:
    reference = weakref.ref(app)

    def forget() -> None:
        known = reference()
        if known is None:
            return
        known._oid = new_id()
        known.__dict__.pop("waiter", None)
        for name in ("broker", "backend"):
            connection = known.__dict__.get(name)
            if connection is not None:
                connection.after_fork()

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=forget)
