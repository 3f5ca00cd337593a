"""`-A` finds apps where Celery finds them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tq.cli.find import find_app
from tq.errors import ImproperlyConfigured

APP = "from tq import TQ\n{name} = TQ('{title}')\n"


def write(project: Path, path: str, *, name: str = "app", title: str = "found", before: str = "") -> None:
    file = project / path
    file.parent.mkdir(parents=True, exist_ok=True)
    for folder in file.relative_to(project).parents:
        if str(folder) != ".":
            (project / folder / "__init__.py").touch()
    file.write_text(before + APP.format(name=name, title=title))


@pytest.mark.parametrize(
    ("path", "name", "spec"),
    [
        ("findpkg/__init__.py", "app", "findpkg"),
        ("findpkg/__init__.py", "celery", "findpkg"),
        ("findpkg/__init__.py", "anything", "findpkg"),
        ("findpkg/mod.py", "app", "findpkg.mod"),
        ("findpkg/mod.py", "mine", "findpkg.mod:mine"),
        ("findpkg/mod.py", "mine", "findpkg.mod.mine"),
        ("findpkg/celery.py", "app", "findpkg"),
        ("findpkg/tq.py", "app", "findpkg"),
        ("findpkg/celery.py", "app", "findpkg.celery"),
        ("findmod.py", "app", "findmod"),
    ],
)
def test_every_form_of_celery_names_the_app(project: Path, path: str, name: str, spec: str) -> None:
    write(project, path, name=name)
    assert find_app(spec).main == "found"


def test_an_attribute_called_app_comes_before_other_apps(project: Path) -> None:
    write(project, "findmod.py", before=APP.format(name="another", title="other"))
    assert find_app("findmod").main == "found"


def test_a_submodule_without_an_app_does_not_hide_the_next_one(project: Path) -> None:
    write(project, "findpkg/celery.py")
    (project / "findpkg" / "tq.py").write_text("x = 1\n")
    assert find_app("findpkg").main == "found"


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ("nowhere", "there is no module 'nowhere'"),
        ("nowhere.tasks:app", "there is no module 'nowhere'"),
        ("findpkg.nothing", "the module findpkg has no 'nothing'"),
        ("findpkg.mod:nothing", "the module findpkg.mod has no 'nothing'"),
        ("findpkg.mod:NUMBER", "findpkg.mod.NUMBER is a int, not a TQ app"),
        ("findpkg.mod:job", "findpkg.mod.job is a task, not a TQ app"),
        ("findpkg.empty", "found no TQ app in findpkg.empty; name it outright"),
    ],
)
def test_a_wrong_name_says_what_is_wrong(project: Path, spec: str, sentence: str) -> None:
    write(project, "findpkg/mod.py")
    (project / "findpkg/empty.py").touch()
    with (project / "findpkg/mod.py").open("a") as file:
        file.write("NUMBER = 3\n@app.task\ndef job(): ...\n")
    with pytest.raises(ImproperlyConfigured, match=f"^-A {spec}: .*{sentence}"):
        find_app(spec)


def test_an_error_inside_the_module_is_shown_with_its_own_part_of_the_traceback(project: Path) -> None:
    write(project, "findmod.py", before="def broken():\n    1 / 0\n\nbroken()\n")
    with pytest.raises(ImproperlyConfigured) as caught:
        find_app("findmod")
    lines = str(caught.value).splitlines()
    assert lines[:2] == [
        "-A findmod: the module findmod cannot be imported",
        "Traceback (most recent call last):",
    ]
    assert [line.split(", ")[-1] for line in lines if "File" in line] == ["in <module>", "in broken"]
    assert lines[-1] == "ZeroDivisionError: division by zero"


def test_a_module_that_misses_an_import_of_its_own_is_not_called_a_wrong_name(project: Path) -> None:
    write(project, "findmod.py", before="import not_installed_anywhere\n")
    with pytest.raises(
        ImproperlyConfigured, match="ModuleNotFoundError: No module named 'not_installed_anywhere'"
    ):
        find_app("findmod")


def test_a_syntax_error_is_shown_where_it_is(project: Path) -> None:
    (project / "findmod.py").write_text("app = (\n")
    with pytest.raises(ImproperlyConfigured, match=r"findmod.py\", line 1\n +app = \((?s:.*)SyntaxError"):
        find_app("findmod")
