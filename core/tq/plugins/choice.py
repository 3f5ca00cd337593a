"""Choose the one installed driver that answers to a name, or say what to do where none or two do."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Final

from tq.errors import PluginError
from tq.plugins import discovery
from tq.plugins.discovery import Found
from tq.plugins.kinds import BACKEND, BROKER, Kind

CHECKOUT: Final = Path(__file__).parents[3]
"""The root of the repository, where tq runs from one."""


def choose(kind: Kind, names: Sequence[str]) -> Found:
    """The driver registered under the first of `names` that anybody registered.

    Raises `PluginError` where nobody did, and where two distributions did.
    """
    installed = discovery.scan(kind.group)
    for name in names:
        matches = [found for found in installed if found.name.lower() == name]
        if len(matches) > 1:
            raise PluginError(_conflict(kind, name, matches))
        if matches:
            return matches[0]
    raise PluginError(_missing(kind, names, installed))


def named_class(kind: Kind, target: str) -> Found:
    """A driver that was named as `module:attr` instead of being registered."""
    module = target.partition(":")[0]
    return Found(EntryPoint(target, target, kind.group), module, "")


def conflicts(installed: Sequence[Found], found: Found) -> bool:
    """Whether another one claims the same name."""
    return any(other is not found and other.name.lower() == found.name.lower() for other in installed)


def _conflict(kind: Kind, name: str, matches: Sequence[Found]) -> str:
    claims = ", ".join(f"{found.label} ({found.target})" for found in matches)
    count = "two" if len(matches) == 2 else str(len(matches))
    return (
        f"{count} installed plugins claim the {kind.noun} {kind.show(name)}: {claims}. "
        f"Uninstall all but one, for example: pip uninstall {matches[-1].distribution}"
    )


def _missing(kind: Kind, names: Sequence[str], installed: Sequence[Found]) -> str:
    head = f"no {kind.noun} plugin for {kind.show(names[0])}"
    for name in names:
        bundle = kind.bundles.get(name)
        if bundle is not None:
            return f"{head}; install it with: {_command(bundle)}"
    for other in (BROKER, BACKEND):
        if kind in (BROKER, BACKEND) and other is not kind and any(name in other.bundles for name in names):
            return f"{head}: {kind.show(names[-1])} is a {other.noun}, not a {kind.noun}"
    return f"{head}: {_suggest(kind, names, installed)}"


def _command(bundle: str) -> str:
    if not bundle:
        return "pip install --force-reinstall tq-core"
    command = f'pip install "tq[{bundle}]"'
    here = CHECKOUT / "plugins" / bundle
    # Until the bundles are published a checkout is where they come from.
    return f"{command}, or from this checkout: pip install -e {here}" if here.is_dir() else command


def _suggest(kind: Kind, names: Sequence[str], installed: Sequence[Found]) -> str:
    present = sorted({found.name for found in installed})
    candidates = sorted({*present, *kind.bundles})
    for name in names:
        close = difflib.get_close_matches(name, candidates, n=1)
        if close:
            return f"did you mean {kind.show(close[0])}?"
    return f"installed: {', '.join(kind.show(name) for name in present) or 'none'}"
