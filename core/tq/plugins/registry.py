"""The one driver that a URL or a setting asks for.

Every call reads what is installed (about 3 ms) and imports only the driver asked for, so a broken plugin
disturbs nobody who does not use it. Nothing is kept between calls: callers keep what they got.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import unquote

from tq.errors import PluginError, TQError
from tq.options import mask_url
from tq.plugins.address import Address, read_address
from tq.plugins.kinds import BACKEND, BROKER, POOL, SCHEDULER, SERIALIZER, Kind

if TYPE_CHECKING:
    from collections.abc import Callable

    from tq.contracts import Broker, Pool, ResultBackend, ScheduleStore, Serializer, SettingsReader
    from tq.plugins.listing import PluginInfo

T = TypeVar("T")

# stevedore and importlib.metadata take some 50 ms to import: the functions that need them import them.


def load_broker(url: str, options: Mapping[str, Any] | None = None) -> Broker:
    """The broker behind `url`, which is one URL, not a failover list.

    Raises `PluginError` (see `broker_class`), or `ImproperlyConfigured` for options the driver refuses.
    """
    address = _address(BROKER, url)
    cls: type[Broker] = _driver(BROKER, address)
    return _build(BROKER, address, lambda: cls(address.url, options))


def load_backend(
    url: str, options: Mapping[str, Any] | None = None, *, serializer: Serializer, expires: float | None
) -> ResultBackend:
    """The result backend behind `url`; `expires` is the time to live of results in seconds, None for ever.

    Raises as `load_broker` does.
    """
    address = _address(BACKEND, url)
    cls: type[ResultBackend] = _driver(BACKEND, address)
    return _build(BACKEND, address, lambda: cls(address.url, options, serializer=serializer, expires=expires))


def broker_class(url: str) -> type[Broker]:
    """The class of the broker behind `url`, nothing connected.

    Raises `PluginError` where the URL has no scheme, no plugin or two plugins claim it, or the plugin cannot
    be imported, is no broker, or has another api_version.
    """
    cls: type[Broker] = _driver(BROKER, _address(BROKER, url))
    return cls


def backend_class(url: str) -> type[ResultBackend]:
    """The class of the result backend behind `url`; raises as `broker_class` does."""
    cls: type[ResultBackend] = _driver(BACKEND, _address(BACKEND, url))
    return cls


def load_serializer(name: str, settings: SettingsReader | None = None) -> Serializer:
    """The serializer of a name (`json`) or of a class (`module:Class`), made from `settings` if it is
    `tq.contracts.Configurable`; raises as `broker_class` does, and `ImproperlyConfigured`."""
    driver = _named(SERIALIZER, name)
    if not isinstance(driver, type):
        ready: Serializer = driver
        return ready
    try:
        configured = getattr(driver, "configured", None)
        made: Serializer = (
            driver() if configured is None else configured({} if settings is None else settings)
        )
    except TQError:
        raise
    except Exception as exc:
        raise PluginError(f"the serializer {name!r} cannot be made: {type(exc).__name__}: {exc}") from exc
    return made


def load_pool(name: str) -> type[Pool]:
    """The pool class of a name (`prefork`) or of a class (`module:Class`); raises as `broker_class` does."""
    cls: type[Pool] = _named(POOL, name)
    return cls


def load_schedule_store(
    url: str, options: Mapping[str, Any] | None = None, *, namespace: str
) -> ScheduleStore:
    """The schedule store behind `url`; `namespace` keeps apps apart. Raises as `load_broker` does."""
    address = _address(SCHEDULER, url)
    cls: type[ScheduleStore] = _driver(SCHEDULER, address)
    return _build(SCHEDULER, address, lambda: cls(address.url, options, namespace=namespace))


def has_schedule_store(url: str) -> bool:
    """Whether a schedule store is installed for the scheme of `url`."""
    from tq.plugins.discovery import scan

    if "://" not in url:
        return False
    names = read_address(url, noun=SCHEDULER.noun, known=()).names
    return any(found.name.lower() in names for found in scan(SCHEDULER.group))


def schedule_store_class(name: str) -> type[ScheduleStore]:
    """The class of the schedule store behind a URL, a scheme or a class (`module:Class`); raises as
    `broker_class` does."""
    if ":" in name and "://" not in name:
        named: type[ScheduleStore] = _named(SCHEDULER, name)
        return named
    cls: type[ScheduleStore] = _driver(SCHEDULER, _address(SCHEDULER, name))
    return cls


def installed() -> list[PluginInfo]:
    """Everything installed for tq, each loaded for a look; what is broken says so in `error`."""
    from tq.plugins.listing import list_plugins

    return list_plugins()


def _address(kind: Kind, url: str) -> Address:
    from tq.plugins.discovery import scan

    if "://" in url:
        return read_address(url, noun=kind.noun, known=())
    known = {*kind.bundles, *(found.name.lower() for found in scan(kind.group))}
    return read_address(url, noun=kind.noun, known=known)


def _driver(kind: Kind, address: Address) -> Any:
    from tq.plugins.choice import choose
    from tq.plugins.driver import load_driver

    return load_driver(kind, choose(kind, address.names))


def _named(kind: Kind, name: str) -> Any:
    from tq.plugins.choice import choose, named_class
    from tq.plugins.driver import load_driver

    return load_driver(kind, named_class(kind, name) if ":" in name else choose(kind, [name.lower()]))


def _build(kind: Kind, address: Address, build: Callable[[], T]) -> T:
    try:
        return build()
    except TQError:
        raise
    except Exception as exc:
        shown = mask_url(address.url)
        cause = without_password(str(exc), address.url)
        raise PluginError(
            f"the {kind.noun} for {shown} cannot be made: {type(exc).__name__}: {cause}"
        ) from exc


def without_password(text: str, url: str) -> str:
    """Somebody else's text about `url`, which may quote it or a part of it, decoded or not."""
    user = url.partition("://")[2].rpartition("@")[0]
    password = user.partition(":")[2]
    for secret in filter(None, (url, password, unquote(password))):
        text = text.replace(secret, mask_url(url) if secret == url else "**")
    return text
