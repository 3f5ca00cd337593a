"""Signatures by name, of the current app unless another is given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tq.app.current import get_current_app
from tq.canvas.compound import maybe_signature as _maybe
from tq.canvas.signature import CanvasApp, Signature


def signature(
    task: str | Mapping[str, Any],
    args: Sequence[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
    options: Mapping[str, Any] | None = None,
    *,
    app: Any = None,
    immutable: bool = False,
    **more: Any,
) -> Signature:
    """A call as data, by task name or from a dictionary; `more` are calling options."""
    of: Any = app or get_current_app()
    made: Signature = of.signature(task, args, kwargs, immutable=immutable, **{**(options or {}), **more})
    return made


def maybe_signature(found: Any, app: CanvasApp | None = None) -> Any:
    """A dictionary as a signature that can be sent; anything else as it is."""
    return _maybe(found, app or get_current_app()) if isinstance(found, Mapping) else found
