"""What `findings()` says of a bucket."""

from __future__ import annotations

from typing import Any

from plugins.s3.tests.conftest import BUCKET
from tq.records import Severity
from tq.wire.json import JsonSerializer
from tq_s3 import S3Backend


def test_a_bucket_that_only_grows_is_told(s3: Any, s3_url: str) -> None:
    backend = S3Backend(s3_url, serializer=JsonSerializer(), expires=3 * 86400.0)
    (note,) = backend.findings()
    assert note.severity is Severity.NOTE and "no lifecycle rule" in note.what and "3 days" in note.advice
    rule = {"ID": "tq", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 3}}
    s3.put_bucket_lifecycle_configuration(Bucket=BUCKET, LifecycleConfiguration={"Rules": [rule]})
    assert backend.findings() == []
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    (found,) = backend.findings()
    assert found.severity is Severity.WARNING and "keeps every version" in found.what
    backend.close()
