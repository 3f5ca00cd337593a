from __future__ import annotations

import functools
import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import click
import pytest

from tq.contracts.hooks import COLLECTING, ExtraSetting, hookimpl, hookspec
from tq.contracts.pool import ColdStop
from tq.errors import PluginError, SoftTimeLimitExceeded
from tq.plugins.hooks import HookManager
from tq.plugins.observer import hook_arguments, hook_names

Install = Callable[..., Path]

WATCH = """
from tq.contracts.hooks import hookimpl

seen = []

@hookimpl
def task_prerun(request):
    seen.append(request)
"""


class Recorder:
    def __init__(self) -> None:
        self.seen: list[object] = []

    @hookimpl
    def task_prerun(self, request: object) -> None:
        self.seen.append(request)


def bound(manager: HookManager, name: str) -> Callable[..., None]:
    caller = manager.bind(name)
    assert caller is not None
    return caller


def raising(exc: BaseException) -> object:
    class Raising:
        @hookimpl
        def task_prerun(self) -> None:
            raise exc

    return Raising()


# -- the contract ------------------------------------------------------------------------------------------


def test_all_hooks_that_plugins_may_count_on_exist_and_are_explained() -> None:
    from tq.contracts import hooks

    assert set(hook_names()) == {
        *("worker_starting", "worker_ready", "worker_stopping", "worker_stopped"),
        *("child_started", "child_stopping"),
        *("task_received", "task_prerun", "task_postrun", "task_success", "task_failure", "task_retry"),
        *("task_revoked", "task_rejected", "task_unknown", "message_rejected"),
        *("message_publishing", "message_published", "message_failed"),
        *COLLECTING,
    }
    for name in hook_names():
        assert getattr(hooks, name).__doc__


def test_the_markers_are_exported_for_plugins() -> None:
    assert hookimpl.project_name == hookspec.project_name == "tq"


# -- binding -----------------------------------------------------------------------------------------------


def test_a_hook_that_nobody_implements_is_bound_to_none() -> None:
    manager = HookManager()
    manager.register(Recorder())
    for name in set(hook_names()) - COLLECTING - {"task_prerun"}:
        assert manager.bind(name) is None


def test_an_observer_is_told_what_it_asks_for_by_name() -> None:
    calls: list[tuple[object, ...]] = []

    class Some:
        @hookimpl
        def task_success(self, result: object) -> None:
            calls.append((result,))

    class All:
        @hookimpl
        def task_success(self, runtime: float, request: object, **rest: object) -> None:
            calls.append((runtime, request, rest))

    class Keyword:
        @hookimpl
        def task_success(self, *, request: object, result: object = None) -> None:
            calls.append((request, result))

    manager = HookManager()
    for plugin in (Some(), All(), Keyword()):
        manager.register(plugin)
    bound(manager, "task_success")(request="r", result=3, runtime=0.5)
    assert sorted(calls, key=repr) == [("r", 3), (0.5, "r", {"result": 3}), (3,)]


def test_a_module_a_class_and_an_object_can_be_registered() -> None:
    module = ModuleType("acme")
    seen: list[object] = []
    module.task_prerun = hookimpl(lambda request: seen.append(request))  # type: ignore[attr-defined]

    class Plugin:
        @hookimpl
        def task_prerun(self, request: object) -> None:
            seen.append(request)

    manager = HookManager()
    manager.register(module)
    manager.register(Plugin)
    manager.register(Plugin())
    bound(manager, "task_prerun")(request="r")
    assert seen == ["r", "r", "r"]


def test_the_order_is_that_of_pluggy() -> None:
    order: list[str] = []

    def plugin(name: str, **options: bool) -> object:
        class Plugin:
            @hookimpl(**options)  # type: ignore[call-overload, untyped-decorator, unused-ignore]
            def task_prerun(self) -> None:
                order.append(name)

        return Plugin()

    manager = HookManager()
    manager.register(plugin("last", trylast=True))
    manager.register(plugin("older"))
    manager.register(plugin("first", tryfirst=True))
    manager.register(plugin("newer"))
    bound(manager, "task_prerun")(request=None)
    assert order == ["first", "newer", "older", "last"]


def test_an_implementation_may_have_another_name_than_its_hook() -> None:
    seen: list[object] = []

    class Plugin:
        @hookimpl(specname="task_prerun")
        def count(self, request: object) -> None:
            seen.append(request)

    manager = HookManager()
    manager.register(Plugin())
    bound(manager, "task_prerun")(request="r")
    assert seen == ["r"]


def test_what_is_unregistered_is_bound_no_more() -> None:
    manager = HookManager()
    name = manager.register(Recorder(), "recorder")
    assert name == "recorder"
    assert manager.has(name)
    assert manager.implemented(name) == ["task_prerun"]
    manager.unregister(name)
    assert not manager.has(name)
    assert manager.bind("task_prerun") is None


def test_binding_a_hook_that_does_not_exist_gives_a_suggestion() -> None:
    with pytest.raises(PluginError, match="there is no hook task_prern: did you mean task_prerun?"):
        HookManager().bind("task_prern")


def test_collecting_hooks_cannot_be_bound_nor_observers_collected() -> None:
    manager = HookManager()
    with pytest.raises(PluginError, match="collected"):
        manager.bind("tq_settings")
    with pytest.raises(PluginError, match="bound"):
        manager.collect("task_prerun")


# -- isolation ---------------------------------------------------------------------------------------------


class Odd(BaseException):
    pass


@pytest.mark.parametrize("exc", [ValueError("acme broke"), Odd("acme broke"), GeneratorExit("acme broke")])
def test_an_observer_that_raises_is_logged_by_name_and_stops_nobody(
    exc: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    manager = HookManager()
    before, after = Recorder(), Recorder()
    manager.register(after)
    manager.register(raising(exc), "acme-watch 1.0")
    manager.register(before)
    bound(manager, "task_prerun")(request="r")
    assert before.seen == after.seen == ["r"]
    [record] = caplog.records
    assert record.levelno == logging.ERROR
    assert "the hook task_prerun of the plugin acme-watch 1.0 raised" in record.getMessage()
    assert "acme broke" in caplog.text


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, SoftTimeLimitExceeded, ColdStop])
def test_interrupts_pass_through_observers(kind: type[BaseException]) -> None:
    manager = HookManager()
    manager.register(raising(kind()))
    with pytest.raises(kind):
        bound(manager, "task_prerun")(request="r")


def test_the_end_of_a_greenlet_passes_where_greenlets_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "greenlet", SimpleNamespace(GreenletExit=Odd))
    manager = HookManager()
    manager.register(raising(Odd()))
    with pytest.raises(Odd):
        bound(manager, "task_prerun")(request="r")


def test_an_observer_that_turns_out_to_be_async_is_logged_and_not_left_unawaited(
    caplog: pytest.LogCaptureFixture, recwarn: pytest.WarningsRecorder
) -> None:
    def plainly(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            return function(*args, **kwargs)

        return wrapper

    class Hidden:
        @hookimpl
        @plainly
        async def task_prerun(self, request: object) -> None:
            raise AssertionError

    manager = HookManager()
    manager.register(Hidden(), "hidden")
    bound(manager, "task_prerun")(request="r")
    assert "the hook task_prerun of the plugin hidden is async" in caplog.text
    assert not [warning for warning in recwarn if "never awaited" in str(warning.message)]


# -- what is refused at registration -----------------------------------------------------------------------


class Async:
    @hookimpl
    async def task_prerun(self, request: object) -> None:
        raise NotImplementedError


class AsyncGenerator:
    @hookimpl
    async def task_prerun(self, request: object) -> Any:
        yield request


class Wrapper:
    @hookimpl(wrapper=True)
    def task_prerun(self) -> Any:
        return (yield)


class WrongArgument:
    @hookimpl
    def task_prerun(self, requst: object) -> None:
        raise NotImplementedError


class ByPosition:
    @hookimpl
    def task_prerun(self, *args: object) -> None:
        raise NotImplementedError


class Misspelt:
    @hookimpl
    def task_prerunn(self, request: object) -> None:
        raise NotImplementedError


class Strange:
    @hookimpl
    def zzz(self) -> None:
        raise NotImplementedError


class Unmakeable:
    def __init__(self) -> None:
        raise OSError("no socket")


@pytest.mark.parametrize(
    ("plugin", "expected"),
    [
        (Async, "the hook task_prerun of the plugin acme is async"),
        (AsyncGenerator, "the hook task_prerun of the plugin acme is async"),
        (Wrapper, "the hook task_prerun of the plugin acme is a wrapper"),
        (WrongArgument, "takes 'requst', which the hook has not: its arguments are request"),
        (ByPosition, "the hook task_prerun of the plugin acme takes *args"),
        (Misspelt, "the hook task_prerunn of the plugin acme is never called, .* did you mean task_prerun?"),
        (Strange, "there is no hook zzz: the hooks are: child_started, "),
        (Unmakeable, r"the hook plugin acme cannot be made: Unmakeable\(\) raised OSError\('no socket'\)"),
    ],
)
def test_what_could_not_work_is_refused_at_registration(plugin: type, expected: str) -> None:
    manager = HookManager()
    with pytest.raises(PluginError, match=expected.replace("*args", r"\*args").replace("?", r"\?")):
        manager.register(plugin, "acme")
    assert manager.bind("task_prerun") is None


def test_a_refused_plugin_leaves_nothing_behind() -> None:
    class HalfWrong(Recorder):
        @hookimpl
        def task_success(self, resutl: object) -> None:
            raise NotImplementedError

    manager = HookManager()
    with pytest.raises(PluginError):
        manager.register(HalfWrong(), "acme")
    assert manager.bind("task_prerun") is None
    manager.register(Recorder(), "acme")


def test_an_optional_hook_of_another_version_is_accepted() -> None:
    class Newer(Recorder):
        @hookimpl(optionalhook=True)
        def task_teleported(self, place: object) -> None:
            raise NotImplementedError

    manager = HookManager()
    manager.register(Newer())
    assert manager.bind("task_prerun") is not None


def test_registering_twice_is_refused() -> None:
    manager = HookManager()
    recorder = Recorder()
    manager.register(recorder, "acme")
    with pytest.raises(PluginError, match="the hook plugin acme is registered already"):
        manager.register(Recorder(), "acme")
    with pytest.raises(PluginError, match="registered already"):
        manager.register(recorder, "other")


# -- entry points ------------------------------------------------------------------------------------------


def test_installed_plugins_are_loaded_and_named_by_their_distribution(
    install: Install, caplog: pytest.LogCaptureFixture
) -> None:
    install("acme-watch", WATCH + "    raise ValueError", {"tq.hooks": {"watch": "acme_watch"}}, "1.4")
    manager = HookManager()
    assert manager.load() == []
    bound(manager, "task_prerun")(request="r")
    assert sys.modules["acme_watch"].seen == ["r"]
    assert "of the plugin watch (acme-watch 1.4) raised" in caplog.text


def test_a_broken_plugin_is_reported_and_the_others_are_loaded(
    install: Install, caplog: pytest.LogCaptureFixture
) -> None:
    points = {
        "a-gone": "import nowhere_at_all",
        "c-async": WATCH.replace("def", "async def"),
        "d-exit": "exit(3)",
    }
    for name, source in points.items():
        install(name, source, {"tq.hooks": {name: name.replace("-", "_")}})
    install("b-good", WATCH, {"tq.hooks": {"good": "b_good"}})
    manager = HookManager()
    problems = sorted(str(problem) for problem in manager.load())
    assert len(problems) == 3
    assert (
        "the hook plugin a-gone 1.0 (a-gone) needs the module 'nowhere_at_all', which is not installed"
        in problems[0]
    )
    assert "pip install a-gone. Its hooks are left out" in problems[0]
    assert "SystemExit: 3" in problems[1]
    assert "c-async (c-async 1.0) is async" in problems[2]
    for problem in problems:
        assert problem in caplog.text
    bound(manager, "task_prerun")(request="r")
    assert sys.modules["b_good"].seen == ["r"]


def test_disabled_plugins_are_not_even_imported(install: Install) -> None:
    install("acme-watch", WATCH, {"tq.hooks": {"watch": "acme_watch"}})
    manager = HookManager()
    assert manager.load(disabled=["watch"]) == []
    assert "acme_watch" not in sys.modules
    assert not manager.has("watch (acme-watch 1.0)")


def test_loading_again_registers_only_what_is_new(install: Install) -> None:
    install("acme-one", WATCH, {"tq.hooks": {"watch": "acme_one"}})
    manager = HookManager()
    manager.load()
    install("acme-two", WATCH, {"tq.hooks": {"watch": "acme_two"}})
    assert manager.load() == []
    bound(manager, "task_prerun")(request="r")
    assert sys.modules["acme_one"].seen == sys.modules["acme_two"].seen == ["r"]


def test_a_plugin_without_hooks_gets_a_warning(install: Install, caplog: pytest.LogCaptureFixture) -> None:
    install("acme-none", "def task_prerun(request): pass", {"tq.hooks": {"none": "acme_none"}})
    assert HookManager().load() == []
    assert "none (acme-none 1.0) implements no hook: is @hookimpl missing?" in caplog.text


# -- collecting --------------------------------------------------------------------------------------------


def test_what_plugins_add_is_collected_with_their_names(caplog: pytest.LogCaptureFixture) -> None:
    lamp = ExtraSetting(name="acme_lamp", type=bool, default=False, doc="Light the lamp.")
    hello = click.Command("hello")

    class Adds:
        @hookimpl
        def tq_settings(self) -> Sequence[ExtraSetting]:
            return [lamp]

        @hookimpl
        def tq_commands(self) -> Sequence[click.Command]:
            return (hello,)

    class AddsNothing:
        @hookimpl
        def tq_settings(self) -> None:
            return None

    class Breaks:
        @hookimpl
        def tq_settings(self) -> Sequence[ExtraSetting]:
            raise ValueError("acme broke")

    manager = HookManager()
    manager.register(Adds(), "adds")
    manager.register(AddsNothing(), "nothing")
    manager.register(Breaks(), "breaks")
    assert [(one.plugin, one.value) for one in manager.collect("tq_settings")] == [("adds", lamp)]
    assert [(one.plugin, one.value) for one in manager.collect("tq_commands")] == [("adds", hello)]
    assert "the hook tq_settings of the plugin breaks raised" in caplog.text
    assert "acme broke" in caplog.text


def test_a_collecting_hook_takes_no_arguments() -> None:
    assert all(hook_arguments(name) == () for name in COLLECTING)


class Switched:
    """A plugin that is called where a setting says so."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def wanted(self, settings: Mapping[str, Any]) -> bool:
        return bool(settings["switched"])

    @hookimpl
    def worker_ready(self) -> None:
        self.heard.append("ready")

    @hookimpl
    def tq_settings(self) -> Sequence[ExtraSetting]:
        return [ExtraSetting(name="switched", type=bool, doc="...")]


def test_a_plugin_that_is_not_wanted_is_not_bound_but_asked_for_its_settings() -> None:
    manager = HookManager()
    plugin = Switched()
    manager.register(plugin, "switched")
    manager.switch({"switched": False})
    assert manager.bind("worker_ready") is None
    assert len(manager.collect("tq_settings")) == 1
    manager.switch({"switched": True})
    tell = manager.bind("worker_ready")
    assert tell is not None
    tell(worker=None)
    assert plugin.heard == ["ready"]


def test_a_plugin_that_cannot_say_whether_it_is_wanted_is_named_and_left_out(
    caplog: pytest.LogCaptureFixture,
) -> None:
    manager = HookManager()
    manager.register(Switched(), "switched")
    manager.switch({})
    assert manager.bind("worker_ready") is None
    assert "the plugin switched cannot say" in caplog.text
