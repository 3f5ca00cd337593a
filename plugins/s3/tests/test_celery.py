"""The real Celery 5.7 and tq read each other's results on the emulator, under Celery's settings."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from plugins.s3.tests.conftest import BUCKET
from tests.processes.program import ROOT, clean_environment
from tests.services.fixtures import unavailable
from tests.services.moto import KEY, REGION, SECRET, MotoServer
from tq.testing.result_kit import success
from tq.wire.json import JsonSerializer
from tq_s3 import S3Backend


def test_both_sides_read_each_others_results(celery_python: Path, s3: Any, shared_moto: MotoServer) -> None:
    done = subprocess.run([celery_python, "-I", "-c", "import boto3"], capture_output=True, check=False)
    if done.returncode:
        unavailable(f"{celery_python} lacks celery[s3]")
    settings = {
        "s3_access_key_id": KEY,
        "s3_secret_access_key": SECRET,
        "s3_bucket": BUCKET,
        "s3_base_path": "shop/",
        "s3_region": REGION,
        "s3_endpoint_url": shared_moto.url,
    }
    backend = S3Backend("s3://", settings, serializer=JsonSerializer())
    backend.store([success("ours", {"y": 2})])
    answer = subprocess.run(
        [celery_python, "-m", "plugins.s3.tests.celery_side", "ours"],
        cwd=ROOT,
        env=clean_environment() | {"TQ_TEST_S3": json.dumps(settings)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert json.loads(answer.stdout) == ["SUCCESS", {"y": 2}]
    theirs = backend.get(["theirs", "failed"])
    assert (theirs["theirs"].status, theirs["theirs"].result) == ("SUCCESS", {"x": [1, None, "größe"]})
    assert (theirs["failed"].status, theirs["failed"].traceback) == ("FAILURE", "Traceback ...")
    assert theirs["failed"].result == {
        "exc_type": "ValueError",
        "exc_message": ["no", 3],
        "exc_module": "builtins",
    }
    keys = sorted(each["Key"] for each in s3.list_objects_v2(Bucket=BUCKET)["Contents"])
    assert keys == [f"shop/celery-task-meta-{name}" for name in ("failed", "ours", "theirs")]
