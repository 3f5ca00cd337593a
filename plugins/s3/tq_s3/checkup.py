"""What about a bucket's set-up an operator should know."""

from __future__ import annotations

import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime

from tq.contracts.findings import of_clock
from tq.records import Finding, Severity
from tq_s3.store import Store


def check_up(store: Store, expires: float | None) -> list[Finding]:
    """Ask S3 about the bucket. Raises `BackendError` where it cannot be read."""
    before = time.time()
    theirs = parsedate_to_datetime(store.date("look at the set-up")).timestamp()
    # It tells whole seconds.
    found = of_clock(f"S3 at {store.shown}", theirs + 0.5, before, time.time())
    return [*_growth(store, expires), *found]


def _growth(store: Store, expires: float | None) -> Iterator[Finding]:
    versioning = store.setting("get_bucket_versioning")
    if versioning is not None and versioning.get("Status") == "Enabled":
        yield Finding(
            Severity.WARNING,
            f"the bucket of {store.shown} keeps every version of each object: results that were removed or replaced "
            "stay, and cost",
            "use a bucket without versioning, or a lifecycle rule with NoncurrentVersionExpiration",
        )
    if expires is not None and store.setting("get_bucket_lifecycle_configuration") is None:
        yield Finding(
            Severity.NOTE,
            f"no lifecycle rule of the bucket of {store.shown} can be seen: results are removed by beat's task "
            "celery.backend_cleanup alone",
            f"add a rule that removes objects after {max(1, round(expires / 86400))} days",
        )
