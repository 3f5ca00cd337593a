"""Settings of results."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tq.config.setting import Setting
from tq.config.tls import read_ssl
from tq.config.types import Name, Seconds

GROUP = "Results"


def _backend_default(value_of: Callable[[str], Any], is_set: Callable[[str], bool]) -> str | None:
    return None if is_set("broker_url") else str(value_of("broker_url"))


def _none_for_zero(seconds: float | None) -> float | None:
    return seconds or None


def _with_scheme(url: str | None) -> str | None:
    if url is not None and "://" not in url:
        raise ValueError("a URL with a scheme, such as 'redis://localhost:6379/1', or none")
    return url


def _none_for_disabled(value: Any) -> Any:
    return None if value in ("", "disabled", "disabled://") else value


SETTINGS = (
    Setting(
        name="result_backend",
        type=Name | None,
        default=None,
        default_of=_backend_default,
        default_doc="with no `broker_url`: the embedded file; else none",
        doc="Where states and results are kept; the scheme chooses the plugin. None: nowhere.",
        group=GROUP,
        prepare=_none_for_disabled,
        check=_with_scheme,
    ),
    Setting(
        name="result_backend_transport_options",
        type=dict[str, Any],
        default={},
        doc="Options of the result backend's plugin; the query of `result_backend` wins over them.",
        group=GROUP,
    ),
    Setting(
        name="redis_backend_use_ssl",
        type=dict[str, Any] | None,
        default=None,
        doc="TLS to a result backend of Redis, as `broker_use_ssl`; other result backends pass it over.",
        group=GROUP,
        prepare=read_ssl,
    ),
    Setting(
        name="result_expires",
        type=Seconds | None,
        default=86400.0,
        unit="seconds",
        doc="How long results are kept; none or 0: for ever.",
        group=GROUP,
        check=_none_for_zero,
    ),
    Setting(
        name="result_extended",
        type=bool,
        default=False,
        doc="Keep name, arguments, worker, queue and retries with the result.",
        group=GROUP,
    ),
    Setting(
        name="result_serializer",
        type=Name,
        default="json",
        doc="Serializer of results.",
        group=GROUP,
    ),
    Setting(
        name="result_workflows",
        type=bool,
        default=True,
        doc="Keep the tree of each workflow, and the messages of its tasks that failed, for `tq workflow`.",
        group=GROUP,
    ),
)
