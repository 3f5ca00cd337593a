"""Commands of remote control, as plugins and apps add them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import msgspec


class CommandInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One command. `function(state, **arguments)` runs on the control thread of a worker's main process: be quick.

    `args` name what the command line takes by position, with what makes a value of each text; `variadic` names the
    argument that gets all further words as a list. Seconds for `default_timeout`: how long clients wait for replies.
    """

    name: str
    kind: Literal["control", "inspect"]
    function: Callable[..., Any]
    help: str = ""
    alias: str | None = None
    args: tuple[tuple[str, Callable[[str], Any]], ...] = ()
    variadic: str | None = None
    signature: str = ""
    default_timeout: float = 1.0
    visible: bool = True
