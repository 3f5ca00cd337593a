"""What `result_backend_transport_options` and the URL's query may say."""

from __future__ import annotations

from typing import Annotated

import msgspec

Seconds = Annotated[float, msgspec.Meta(gt=0)]


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Under the names of pymemcache and of Celery's `cache_backend_options`. Times are seconds."""

    timeout: Seconds = 5.0
    """How long to wait for an answer."""
    connect_timeout: Seconds = 4.0
    no_delay: bool = True
    key_prefix: str = ""
    """Before every key, after the server was chosen: pymemcache's."""
    global_keyprefix: str = ""
    """Before every key, as Celery's back ends do it."""
    compression: str | None = None
    """Compress documents of `compress_from` bytes and more by this method: zlib, bzip2, lzma, zstd."""
    compress_from: int = 65536
    poll_interval: Seconds = 0.1
    """The longest pause between two looks of `wait`."""
