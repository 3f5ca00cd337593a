"""The tables of docs/plugins, from what the plugins declare: `python -m tq.plugins.docs docs/plugins/README.md`.

Without an argument the tables are printed. They show the plugins of this project alone, so that one of your own
in the same environment changes nothing.
"""

from __future__ import annotations

import ast
import enum
import inspect
import re
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from tq.contracts import BackendCap, Cap, PoolCap, ScheduleCap, hooks
from tq.errors import ImproperlyConfigured
from tq.plugins.kinds import KINDS
from tq.plugins.listing import PluginInfo, list_plugins
from tq.plugins.observer import hook_arguments

_CORE = "tq-core"
_MARKED = re.compile(r"(<!-- begin (\w+) -->\n).*?(<!-- end \2 -->)", re.DOTALL)


def tables() -> dict[str, str]:
    """All tables by their names in the page."""
    ours = {_CORE, *(f"tq-{bundle}" for kind in KINDS for bundle in kind.bundles.values())}
    rows = [row for row in list_plugins() if row.distribution in ours and row.error is None]
    of = {kind.word: [row for row in rows if row.kind == kind.word] for kind in KINDS}
    return {
        "brokers": _drivers("scheme", of["broker"], Cap),
        "backends": _drivers("scheme", of["backend"], BackendCap),
        "schedules": _drivers("scheme", of["scheduler"], ScheduleCap),
        "pools": _drivers("name", of["pool"], PoolCap),
        "serializers": _names("name", of["serializer"]),
        "hooks": _hooks(),
    }


def filled(page: str, found: Mapping[str, str]) -> str:
    """The page with everything between its marks written anew. Raises `ImproperlyConfigured` for an unknown mark."""
    unknown = {match[2] for match in _MARKED.finditer(page)} - found.keys()
    if unknown:
        raise ImproperlyConfigured(
            f"nothing is known of the mark {', '.join(sorted(unknown))}: <!-- begin NAME --> takes one of "
            f"{', '.join(sorted(found))}"
        )
    return _MARKED.sub(lambda match: f"{match[1]}\n{found[match[2]]}\n{match[3]}", page)


def _drivers(word: str, rows: Sequence[PluginInfo], caps: type[enum.Flag]) -> str:
    return f"{_names(word, rows)}\n{_capabilities(rows, caps)}"


def _names(word: str, rows: Sequence[PluginInfo]) -> str:
    named = _by_driver(rows)
    return table(
        ("plugin", f"{word}s", "install"),
        ((title, _code(row.name for row in of), _bundle(of[0])) for title, of in named.items()),
    )


def _capabilities(rows: Sequence[PluginInfo], caps: type[enum.Flag]) -> str:
    named = {title: of[0].capabilities.split(", ") for title, of in _by_driver(rows).items()}
    meaning = _sentences(caps)
    return table(
        ("capability", *named, "meaning"),
        (
            (
                f"`{flag.name}`",
                *("yes" if str(flag.name).lower() in has else "" for has in named.values()),
                meaning[str(flag.name)],
            )
            for flag in caps
        ),
    )


def _by_driver(rows: Iterable[PluginInfo]) -> dict[str, list[PluginInfo]]:
    """Rows by driver: several schemes are one column. A driver is called by its distribution, in the core by name."""
    drivers: dict[str, list[PluginInfo]] = {}
    for row in rows:
        drivers.setdefault(row.target, []).append(row)
    titles = {
        of[0].name if of[0].distribution == _CORE else of[0].distribution: of for of in drivers.values()
    }
    return dict(sorted(titles.items()))


def _bundle(row: PluginInfo) -> str:
    return (
        "part of `tq-core`" if row.distribution == _CORE else f"`tq[{row.distribution.removeprefix('tq-')}]`"
    )


def _sentences(caps: type[enum.Flag]) -> Mapping[str, str]:
    """What the contract says below each member; Python itself keeps no docstrings of members."""
    [definition] = ast.parse(textwrap.dedent(inspect.getsource(caps))).body
    assert isinstance(definition, ast.ClassDef)
    found: dict[str, str] = {}
    for assignment, text in zip(definition.body, definition.body[1:], strict=False):
        if isinstance(assignment, ast.Assign) and isinstance(text, ast.Expr):
            assert isinstance(assignment.targets[0], ast.Name)
            assert isinstance(text.value, ast.Constant)
            found[assignment.targets[0].id] = _line(str(text.value.value))
    return found


def _hooks() -> str:
    names = [name for name, value in vars(hooks).items() if hasattr(value, "tq_spec")]
    return table(
        ("hook", "arguments", "when, and where"),
        ((f"`{name}`", _code(hook_arguments(name)), _line(getattr(hooks, name).__doc__)) for name in names),
    )


def _code(words: Iterable[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)


def _line(text: str) -> str:
    return " ".join(text.split())


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        file = Path(sys.argv[1])
        file.write_text(filled(file.read_text("utf-8"), tables()), "utf-8")
    else:
        sys.stdout.write("\n".join(tables().values()))
