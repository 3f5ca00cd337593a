"""Everybody who wants to be told: observers and extensions, through pluggy."""

from __future__ import annotations

import inspect
import logging
import sys
from collections.abc import Callable, Collection, Coroutine, Sequence
from typing import Any, Final

import msgspec
from pluggy import HookImpl, PluginManager

from tq.contracts import hooks as specs
from tq.contracts.pool import ColdStop
from tq.contracts.serializer import SettingsReader
from tq.errors import PluginError, SoftTimeLimitExceeded
from tq.plugins.discovery import Found, scan
from tq.plugins.driver import unimportable
from tq.plugins.observer import check_observer, flaw_of_name, taken_arguments

GROUP: Final = "tq.hooks"

_ALWAYS: Final = frozenset({"tq_settings", "tq_commands"})

_log = logging.getLogger("tq.hooks")


class Contribution(msgspec.Struct, frozen=True):
    """One thing that a plugin adds, and the plugin's name for messages."""

    plugin: str
    value: Any


class HookManager:
    """The plugins of one app or worker. Register first, then bind: what is bound does not change any more.

    Interrupts are exceptions that are thrown into running code from outside: of Python, of a soft time limit,
    of a cold stop, of greenlets. An observer in whose middle they arrive does not swallow them.
    """

    def __init__(self) -> None:
        self._pluggy = PluginManager("tq")
        self._pluggy.add_hookspecs(specs)
        self._unwanted: frozenset[str] = frozenset()

    def switch(self, settings: SettingsReader) -> None:
        """Leave those plugins out of what is bound from now on that say that they are not wanted."""
        self._unwanted = frozenset(
            name
            for name, plugin in self._pluggy.list_name_plugin()
            if isinstance(plugin, specs.Switchable) and not _is_wanted(name, plugin, settings)
        )

    def load(self, *, disabled: Collection[str] = ()) -> list[PluginError]:
        """Register everything installed under `tq.hooks`, except the names in `disabled`.

        What is broken is logged, left out and returned. Loading again registers only what is new.
        """
        problems = []
        # By name, because the order in which folders list their files is not the same everywhere.
        for found in sorted(scan(GROUP), key=_label):
            if found.name in disabled or self._pluggy.has_plugin(_label(found)):
                continue
            try:
                name = self.register(load_hooks(found), name=_label(found))
                if not self.implemented(name):
                    _log.warning("the hook plugin %s implements no hook: is @hookimpl missing?", name)
            except PluginError as exc:
                _log.error("%s", exc)
                problems.append(exc)
        return problems

    def register(self, plugin: object, name: str | None = None) -> str:
        """Register a module, an object, or a class that takes no arguments; returns the name it goes by.

        Raises `PluginError` for a hook that does not exist, arguments that the hook has not, an `async def`
        observer, and for what is registered already.
        """
        name = name or self._pluggy.get_canonical_name(plugin)
        ready = _instance(plugin, name)
        for attribute in dir(ready):
            options = self._pluggy.parse_hookimpl_opts(ready, attribute)
            if options is not None:
                hook = options.get("specname") or attribute
                check_observer(hook, getattr(ready, attribute), options, name)
        try:
            self._pluggy.register(ready, name)
        except ValueError as exc:
            raise PluginError(f"the hook plugin {name} is registered already") from exc
        return name

    def unregister(self, name: str) -> None:
        """Forget a plugin; callers that were bound before still call it."""
        self._pluggy.unregister(name=name)

    def has(self, name: str) -> bool:
        """Whether a plugin of this name is registered."""
        return self._pluggy.has_plugin(name)

    def plugin(self, name: str) -> object:
        """The plugin of this name, made; None where there is none."""
        made: object = self._pluggy.get_plugin(name)
        return made

    def implemented(self, name: str) -> list[str]:
        """The hooks that a registered plugin implements."""
        callers = self._pluggy.get_hookcallers(self._pluggy.get_plugin(name)) or ()
        return sorted(caller.name for caller in callers)

    def bind(self, name: str) -> Callable[..., None] | None:
        """One function that tells every observer of a hook, or None where there is none.

        It takes the hook's arguments by keyword, and raises nothing but interrupts.
        """
        impls = self._impls(name, collecting=False)
        return _teller(name, impls, _interrupts()) if impls else None

    def collect(self, name: str) -> list[Contribution]:
        """What all plugins return from a collecting hook, in pluggy's order; one that raises adds nothing."""
        return [
            Contribution(impl.plugin_name, value)
            for impl in self._impls(name, collecting=True)
            for value in _ask(name, impl)
        ]

    def _impls(self, name: str, *, collecting: bool) -> Sequence[HookImpl]:
        flaw = flaw_of_name(name)
        if flaw:
            raise PluginError(flaw)
        if (name in specs.COLLECTING) is not collecting:
            raise PluginError(f"the hook {name} is to be {'bound' if collecting else 'collected'}")
        # pluggy keeps them in the reverse of the order in which it calls them.
        found: list[HookImpl] = getattr(self._pluggy.hook, name).get_hookimpls()[::-1]
        return (
            found if name in _ALWAYS else [impl for impl in found if impl.plugin_name not in self._unwanted]
        )


def load_hooks(found: Found) -> object:
    """Import one entry point of the group.

    Raises `PluginError`, naming the distribution, for one that cannot be imported.
    """
    try:
        loaded: object = found.entry.load()
    except (Exception, SystemExit) as exc:
        raise PluginError(
            f"the hook plugin {found.label} ({found.name}) {unimportable(found, exc)}. Its hooks are left out"
        ) from exc
    return loaded


def _label(found: Found) -> str:
    return f"{found.name} ({found.label})"


def _instance(plugin: object, name: str) -> object:
    if not isinstance(plugin, type):
        return plugin
    try:
        made: object = plugin()
    except Exception as exc:
        raise PluginError(
            f"the hook plugin {name} cannot be made: {plugin.__qualname__}() raised {exc!r}"
        ) from exc
    return made


def _is_wanted(name: str, plugin: specs.Switchable, settings: SettingsReader) -> bool:
    try:
        return plugin.wanted(settings)
    except Exception:  # noqa: BLE001 - one plugin must not take the others along
        _log.exception("the plugin %s cannot say whether it is wanted; its hooks are left out", name)
        return False


def _interrupts() -> tuple[type[BaseException], ...]:
    interrupts = (KeyboardInterrupt, SystemExit, SoftTimeLimitExceeded, ColdStop)
    greenlet = sys.modules.get("greenlet")
    return (*interrupts, greenlet.GreenletExit) if greenlet else interrupts


def _teller(
    hook: str, impls: Sequence[HookImpl], interrupts: tuple[type[BaseException], ...]
) -> Callable[..., None]:
    calls = [(impl.function, taken_arguments(hook, impl.function), impl.plugin_name) for impl in impls]

    def tell(**arguments: object) -> None:
        for function, names, plugin in calls:
            taken = {name: arguments[name] for name in names}
            try:
                answer = function(**taken)
            except interrupts:
                raise
            except BaseException:  # noqa: BLE001 - a library's own kind must not end the worker
                _log.exception("the hook %s of the plugin %s raised", hook, plugin)
            else:
                if answer is not None and inspect.iscoroutine(answer):
                    _refuse_coroutine(hook, plugin, answer)

    return tell


def _refuse_coroutine(hook: str, plugin: str, coroutine: Coroutine[Any, Any, Any]) -> None:
    """An `async def` under a plain decorator is not seen at registration."""
    coroutine.close()
    _log.error("the hook %s of the plugin %s is async and was not run: write it with def", hook, plugin)


def _ask(hook: str, impl: HookImpl) -> list[Any]:
    function: Callable[[], Any] = impl.function
    try:
        return list(function() or ())
    except Exception:  # noqa: BLE001 - one plugin must not take the others along
        _log.exception(
            "the hook %s of the plugin %s raised; what it adds is left out", hook, impl.plugin_name
        )
        return []
