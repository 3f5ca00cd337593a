"""What is installed, for `tq plugins`."""

from __future__ import annotations

import enum

import msgspec

from tq.errors import PluginError
from tq.plugins import discovery
from tq.plugins.choice import conflicts
from tq.plugins.discovery import Found
from tq.plugins.driver import load_driver
from tq.plugins.hooks import GROUP, HookManager, load_hooks
from tq.plugins.kinds import KINDS, Kind


class PluginInfo(msgspec.Struct, frozen=True):
    """One entry point of one distribution. `error` says why it cannot be used, None where it can."""

    kind: str
    name: str
    distribution: str
    version: str
    target: str
    """`module:attr`."""
    capabilities: str = ""
    """Capabilities, for observers their hooks: comma separated, in the order of the contract."""
    api_version: int | None = None
    error: str | None = None


def list_plugins() -> list[PluginInfo]:
    """All entry points of tq's groups, sorted by kind and name within the kind."""
    rows = [_driver_row(kind, found, all_) for kind, all_ in _drivers() for found in all_]
    return rows + [_hook_row(found) for found in sorted(discovery.scan(GROUP), key=_name)]


def _drivers() -> list[tuple[Kind, list[Found]]]:
    return [(kind, sorted(discovery.scan(kind.group), key=_name)) for kind in KINDS]


def _name(found: Found) -> str:
    return found.name


def _driver_row(kind: Kind, found: Found, rivals: list[Found]) -> PluginInfo:
    if conflicts(rivals, found):
        return _row(kind.word, found, error=f"another plugin claims {kind.show(found.name)} as well")
    try:
        driver = load_driver(kind, found)
    except PluginError as exc:
        return _row(kind.word, found, error=str(exc))
    version = getattr(driver, "api_version", None)
    return msgspec.structs.replace(
        _row(kind.word, found), capabilities=_capabilities(driver), api_version=version
    )


def _hook_row(found: Found) -> PluginInfo:
    manager = HookManager()
    try:
        name = manager.register(load_hooks(found), name=found.name)
    except PluginError as exc:
        return _row("hook", found, error=str(exc))
    hooks = manager.implemented(name)
    if not hooks:
        return _row("hook", found, error=f"{found.target} implements no hook: is @hookimpl missing?")
    return msgspec.structs.replace(_row("hook", found), capabilities=", ".join(hooks))


def _row(kind: str, found: Found, *, error: str | None = None) -> PluginInfo:
    return PluginInfo(kind, found.name, found.distribution, found.version, found.target, error=error)


def _capabilities(driver: object) -> str:
    flags = getattr(driver, "capabilities", None)
    if not isinstance(flags, enum.Flag):
        return ""
    return ", ".join(flag.name.lower() for flag in type(flags) if flag in flags and flag.value and flag.name)
