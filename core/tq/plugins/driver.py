"""Load one driver through stevedore, and say exactly what is wrong with it."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from typing import Any

from stevedore.driver import DriverManager

from tq._version import __version__
from tq.errors import PluginError
from tq.plugins.discovery import Found
from tq.plugins.kinds import Kind


class _OneDriver(DriverManager[Any]):
    """stevedore's manager over the one entry point that was chosen, past stevedore's stale cache."""

    def __init__(self, found: Found) -> None:
        self._found = found
        super().__init__(found.entry.group, found.name)

    def list_entry_points(self) -> list[EntryPoint]:
        return [self._found.entry]


def load_driver(kind: Kind, found: Found) -> Any:
    """Import the driver and check it against the contract of its kind.

    Raises `PluginError` naming the distribution for a driver that cannot be imported, is no driver, or is
    written for another version of the contract.
    """
    who = f"the {kind.noun} plugin {found.label} for {kind.show(found.name)}"
    try:
        driver = _OneDriver(found).driver
    except (Exception, SystemExit) as exc:
        raise PluginError(f"{who} {unimportable(found, exc)}") from exc
    flaw = kind.flaw(driver)
    if flaw:
        raise PluginError(f"{who} is broken: {found.target} {flaw}. Tell its author, or uninstall it")
    _check_api(who, kind, kind.api_versions, found, driver)
    return driver


def unimportable(found: Found, error: BaseException) -> str:
    """Why a plugin that is installed cannot be imported, and what to do: the end of a sentence about it."""
    missing = (error.name or "").partition(".")[0] if isinstance(error, ModuleNotFoundError) else ""
    if missing and missing not in ("tq", found.target.partition(":")[0].partition(".")[0]):
        return (
            f"needs the module {missing!r}, which is not installed. "
            f"Install what the plugin needs: pip install {found.distribution}"
        )
    return (
        f"is installed but cannot be imported ({found.target}: {type(error).__name__}: {error}). "
        f"Reinstall it: pip install --force-reinstall {found.distribution}"
    )


def _check_api(who: str, kind: Kind, supported: range, found: Found, driver: Any) -> None:
    version = getattr(driver, "api_version", None)
    if isinstance(version, int) and not isinstance(version, bool) and version in supported:
        return
    oldest, newest = supported[0], supported[-1]
    if not isinstance(version, int) or isinstance(version, bool):
        raise PluginError(f"{who} is broken: {found.target} has no integer api_version (now: {newest})")
    has = oldest if oldest == newest else f"{oldest} to {newest}"
    remedy = (
        f"too old: upgrade it: pip install --upgrade {found.distribution}"
        if version < oldest
        else f"too new: upgrade tq: pip install --upgrade tq-core, or install an older {found.distribution}"
    )
    raise PluginError(
        f"{who} has version {version} of the {kind.noun} interface, tq-core {__version__} has {has}; "
        f"the plugin is {remedy}"
    )
