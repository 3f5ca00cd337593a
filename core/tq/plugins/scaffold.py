"""A new plugin as a project of its own: `tq plugin new`.

The projects are the folders of `templates/`: what is in `common/`, and on top of it what is in the folder of the kind.
Placeholders are those of `string.Template`; a folder `package` gets the name of the package.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template
from typing import Final

import msgspec

from tq._version import __version__
from tq.errors import PluginError
from tq.plugins.hooks import GROUP
from tq.plugins.kinds import BACKEND, BROKER, KINDS, POOL, SERIALIZER

LONGEST: Final = 16
"""Characters of a name: a URL scheme should be short, and the lines of a project have to hold it."""

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*\Z")
_SUFFIX = ".tmpl"
_HIDDEN = ("github", "gitignore")


class Draft(msgspec.Struct, frozen=True):
    """What a kind of plugin is called in its project."""

    group: str
    ending: str
    """Of the class."""
    description: str
    contract: str
    """Where the rules are written."""


def _contract(module: str) -> str:
    return f"The contract is the text of `tq.contracts.{module}`."


DRAFTS: Final[Mapping[str, Draft]] = {
    "broker": Draft(BROKER.group, "Broker", "A broker of tq in one SQLite file", _contract("broker")),
    "backend": Draft(BACKEND.group, "Backend", "A result backend of tq in a folder", _contract("results")),
    "serializer": Draft(
        SERIALIZER.group, "Serializer", "A serializer of tq: compressed JSON", _contract("serializer")
    ),
    "pool": Draft(POOL.group, "Pool", "A pool of tq: a new thread for each task", _contract("pool")),
    "hooks": Draft(GROUP, "Hooks", "An observer of tq that logs slow tasks", _contract("hooks")),
}
"""By what `tq plugin new` calls them."""


class Project(msgspec.Struct, frozen=True):
    """A plugin that is to be written. Made by `project`, which checks the name."""

    kind: str
    name: str

    @property
    def distribution(self) -> str:
        return f"tq-{self.name}"

    @property
    def package(self) -> str:
        return self.distribution.replace("-", "_")

    @property
    def class_name(self) -> str:
        return self._camel + DRAFTS[self.kind].ending

    @property
    def _camel(self) -> str:
        return "".join(part.capitalize() for part in self.name.split("-"))

    def contents(self) -> dict[str, str]:
        """The texts of the project's files, by their paths below its folder."""
        root = files("tq.plugins") / "templates"
        texts = {**dict(_templates(root / "common")), **dict(_templates(root / self.kind))}
        words = self._words()
        words["about"] = Template(texts.pop("about.md")).substitute(words)
        return {
            path.replace("package/", f"{self.package}/"): Template(text).substitute(words)
            for path, text in sorted(texts.items())
        }

    def write(self, folder: Path) -> list[Path]:
        """Write the project into a new folder; the files, in order.

        Raises `PluginError` where the folder exists or cannot be made: nothing is ever overwritten.
        """
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            raise PluginError(f"{folder} exists already: choose another one with --folder") from None
        except OSError as exc:
            raise PluginError(f"cannot make {folder}: {exc.strerror}") from exc
        written = []
        for path, text in self.contents().items():
            file = folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, "utf-8")
            written.append(file)
        return written

    def _words(self) -> dict[str, str]:
        draft = DRAFTS[self.kind]
        major, minor = __version__.split(".")[:2]
        return {
            "name": self.name,
            "snake": self.name.replace("-", "_"),
            "camel": self._camel,
            "cls": self.class_name,
            "dist": self.distribution,
            "package": self.package,
            "group": draft.group,
            "description": draft.description,
            "contract": draft.contract,
            "range": f">={major}.{minor},<{major}.{int(minor) + 1}",
        }


def project(kind: str, name: str) -> Project:
    """Check a name, and say what would be written.

    Raises `PluginError` for a kind that is not there, and for a name that is of another form or is taken by a
    plugin of tq's own.
    """
    if kind not in DRAFTS:
        raise PluginError(f"there is no kind of plugin {kind!r}: choose {', '.join(DRAFTS)}")
    if name.startswith(("tq-", "tq_")):
        raise PluginError(f"write the name without tq, which is put before it: {name[3:] or 'NAME'}")
    if not _NAME.match(name) or len(name) > LONGEST:
        raise PluginError(
            f"{name!r} is no name for a plugin: up to {LONGEST} lower-case letters, digits and dashes, beginning "
            f"with a letter, as in 'nats' or 'big-table'{_hint(name)}"
        )
    if name in _taken():
        raise PluginError(
            f"the name {name!r} is one of tq's own plugins; with two that claim it tq uses neither: "
            f"choose another, for example 'my-{name}'"
        )
    return Project(kind, name)


def _hint(name: str) -> str:
    meant = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:LONGEST].strip("-")
    return f"; did you mean {meant!r}?" if _NAME.match(meant) else ""


def _taken() -> set[str]:
    """Names of drivers and of distributions, of any kind."""
    return {word for kind in KINDS for pair in kind.bundles.items() for word in pair} | {"core", "testing"}


def _templates(folder: Traversable, above: str = "") -> Iterator[tuple[str, str]]:
    for entry in folder.iterdir():
        name = f".{entry.name}" if entry.name.startswith(_HIDDEN) else entry.name
        if entry.is_dir():
            yield from _templates(entry, f"{above}{name}/")
        elif name.endswith(_SUFFIX):
            yield above + name.removesuffix(_SUFFIX), entry.read_text("utf-8")
