"""Tasks of libraries, the current app, and modules that are found."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core.tests.app.sent import sent
from tq import TQ, Task, current_app, shared_task
from tq.errors import AlreadyRegistered, ImproperlyConfigured


def test_a_shared_task_is_in_every_app_also_in_those_to_come(make_app: Any) -> None:
    before = make_app()

    @shared_task(name="lib.add", max_retries=7)
    def add(x: int) -> int:
        return x + 1

    after = make_app()
    assert add(1) == 2
    for app in (before, after):
        assert app.tasks["lib.add"].app is app
        assert app.tasks["lib.add"].max_retries == 7


def test_calling_it_uses_the_current_app(make_app: Any) -> None:
    first, second = make_app(), make_app()
    task = shared_task(name="lib.t")(lambda: None)
    task.delay()
    assert (len(sent(first)), len(sent(second))) == (0, 1)
    first.set_current()
    task.delay()
    assert (len(sent(first)), len(sent(second))) == (1, 0)
    second.set_default()
    assert current_app.tasks is second.tasks
    assert task.app is second


def test_in_a_worker_it_belongs_to_the_worker_s_app_whichever_is_current(
    make_app: Any, run_worker: Any
) -> None:
    working = make_app()

    @shared_task(name="lib.flaky", bind=True)
    def flaky(self: Any) -> str:
        if not self.request.retries:
            self.retry(countdown=0)
        return str(self.app.main)

    other = make_app("other")
    assert current_app.main == "other"
    with run_worker(working):
        assert working.send_task("lib.flaky").get(timeout=10) == "shop"
    assert sent(other) == []


def test_two_shared_tasks_of_one_name_are_refused(app: TQ) -> None:
    shared_task(name="lib.t")(lambda: None)
    with pytest.raises(AlreadyRegistered, match=r"lib\.t"):
        shared_task(name="lib.t")(len)


def test_without_any_app_there_is_a_default_one() -> None:
    task = shared_task(name="lib.lonely")(lambda: 5)
    assert current_app.main == "default"
    assert task.apply().get() == 5
    assert repr(current_app) == "<TQ default>"


def test_an_app_need_not_become_current(make_app: Any) -> None:
    first = make_app("first")
    make_app("second", set_as_current=False)
    assert current_app.main == "first"
    assert first.tasks is current_app.tasks


def test_class_based_tasks_are_registered_as_object_or_class(app: TQ) -> None:
    class Base(Task[[int], int]):
        factor: int = 2

        def run(self, x: int) -> int:
            return x * self.factor + self.request.retries

    class Double(Base):
        """Named after its class."""

    assert app.register_task(Double).name == f"{__name__}.Double"
    assert app.register_task(Base(), name="own", factor=10).apply((1,)).get() == 10
    assert app.tasks["own"](3) == 30
    with pytest.raises(TypeError, match="missing 1 required"):
        app.tasks["own"].delay()


def test_a_task_without_run_says_so(app: TQ) -> None:
    class Empty(Task[..., Any]):
        pass

    assert "defines no run()" in str(app.register_task(Empty).apply().result)


def test_a_class_may_wrap_its_calls(app: TQ) -> None:
    class InContext(Task[..., Any]):
        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            return ["before", self.run(*args, **kwargs), self.request.is_eager]

    task = app.task(base=InContext)(lambda x: x)
    assert task.apply((1,)).get() == ["before", 1, True]
    assert task(2) == ["before", 2, False]


# -- modules -------------------------------------------------------------------------------------------------


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of packages: `withtasks`, `without`, and `broken` whose tasks module misses an import."""
    for name, tasks in (
        ("withtasks", "from tq import shared_task\n@shared_task\ndef found(): ...\n"),
        ("without", None),
        ("broken", "import no_such_module_anywhere\n"),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("")
        if tasks is not None:
            (tmp_path / name / "tasks.py").write_text(tasks)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for module in [
        name for name in sys.modules if name.partition(".")[0] in ("withtasks", "without", "broken")
    ]:
        del sys.modules[module]


def test_tasks_modules_are_imported_when_the_worker_starts(app: TQ, packages: Path) -> None:
    app.autodiscover_tasks(["withtasks", "without"])
    assert "withtasks.tasks" not in sys.modules
    app.import_modules()
    assert "withtasks.tasks.found" in app.tasks


@pytest.mark.parametrize("given", ["withtasks", ("withtasks",), lambda: ["withtasks"], lambda: "withtasks"])
def test_or_at_once_with_force_from_each_form(app: TQ, packages: Path, given: Any) -> None:
    app.autodiscover_tasks(given, force=True)
    assert "withtasks.tasks.found" in app.tasks


def test_another_related_name_or_none_may_be_given(app: TQ, packages: Path) -> None:
    app.autodiscover_tasks(["withtasks"], related_name="jobs", force=True)
    assert "withtasks.tasks" not in sys.modules
    app.autodiscover_tasks(["withtasks.tasks"], related_name=None, force=True)
    assert "withtasks.tasks.found" in app.tasks
    app.autodiscover_tasks(force=True)


@pytest.mark.parametrize(
    ("package", "missing"), [("broken", "no_such_module_anywhere"), ("nopackage", "nopackage")]
)
def test_a_package_that_is_not_there_or_misses_an_import_is_an_error(
    app: TQ, packages: Path, package: str, missing: str
) -> None:
    with pytest.raises(ModuleNotFoundError, match=missing):
        app.autodiscover_tasks([package], force=True)


def test_imports_come_before_include(make_app: Any, packages: Path) -> None:
    (packages / "one.py").write_text("import sys\nassert 'two' not in sys.modules\n")
    (packages / "two.py").write_text("")
    make_app(imports=["one"], include=["two"]).import_modules()
    for module in ("one", "two"):
        assert sys.modules.pop(module)


# -- settings ------------------------------------------------------------------------------------------------


def test_settings_come_from_objects_variables_and_keywords(
    make_app: Any, packages: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (packages / "withtasks" / "config.py").write_text(
        "SHOP_TASK_DEFAULT_QUEUE = 'mine'\ntask_acks_late = False\n"
    )
    app = make_app(task_default_priority=3)
    app.config_from_object({"task_acks_late": True, "task_default_priority": 5})
    assert (app.conf.task_acks_late, app.conf.task_default_priority) == (True, 3)
    app.config_from_object("withtasks.config", namespace="SHOP")
    assert app.conf.task_default_queue == "mine"
    monkeypatch.setenv("SHOP_CONFIG", "withtasks.config")
    app.config_from_envvar("SHOP_CONFIG", force=True)
    assert app.conf.task_acks_late is False
    app.conf.update(task_default_queue="last", result_expires=60)
    assert (app.conf.task_default_queue, app.conf.result_expires) == ("last", 60)


def test_silent_passes_over_what_cannot_be_imported(app: TQ) -> None:
    app.config_from_object("no.such.config", silent=True, force=True)
    app.config_from_envvar("NO_SUCH_VARIABLE", silent=True, force=True)
    with pytest.raises(ImproperlyConfigured, match=r"no\.such\.config"):
        app.config_from_object("no.such.config", force=True)
    with pytest.raises(ImproperlyConfigured, match="NO_SUCH_VARIABLE is not set"):
        app.config_from_envvar("NO_SUCH_VARIABLE")


@pytest.mark.parametrize("setting", ["accept_content", "result_accept_content"])
def test_results_that_could_not_be_read_are_refused_before_the_first(make_app: Any, setting: str) -> None:
    app = make_app(**{setting: ["json"]}, result_serializer="json")
    assert app.backend is not None
    refused = make_app(**{setting: []})
    with pytest.raises(ImproperlyConfigured, match=setting):
        _ = refused.backend
