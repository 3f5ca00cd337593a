"""Settings from environment variables: TQ_ and the setting's name in upper case."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

PREFIX = "TQ_"
_NOT_SETTINGS = re.compile(
    r"TQ_(CONFIG|PROFILE|APP|DISABLE_PLUGINS|TEST_\w+|BENCH_\w+)"
    # Kubernetes gives these to every container that runs beside a service called "tq" or "tq-...".
    r"|TQ_(\w+_)?(SERVICE_(HOST|PORT(_\w+)?)|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)"
)


def variables(environ: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """(variable, setting's name, text) of each variable that is meant for tq.

    An empty variable counts as not there, since many ways of starting a process cannot leave one out.
    """
    for variable, text in environ.items():
        if variable.startswith(PREFIX) and text and not _NOT_SETTINGS.fullmatch(variable):
            yield variable, variable.removeprefix(PREFIX).lower(), text
