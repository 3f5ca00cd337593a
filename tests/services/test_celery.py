"""The environment with the real Celery."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.services import celery


def test_it_imports_celery_and_not_tq(celery_python: Path, tmp_path: Path) -> None:
    script = "import celery, redis, importlib.util as u; print(celery.__version__, u.find_spec('tq'))"
    done = subprocess.run(
        [celery_python, "-I", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    version, tq = done.stdout.split()
    assert version.startswith("5.7.")
    assert tq == "None"


def test_a_celery_that_cannot_be_installed_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(celery.OVERRIDE, raising=False)
    monkeypatch.setattr(celery, "REQUIREMENTS", ("tq-no-such-distribution @ file:///no/such/place.whl",))
    with pytest.raises(celery.CeleryMissing, match="TQ_TEST_CELERY_PYTHON"):
        celery.celery_python(tmp_path / "cache")
    assert not list(tmp_path.glob("cache/*/ready.txt"))
