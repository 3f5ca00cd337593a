"""The installer of services uses what is there and says what it cannot do."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.services import SERVICES, Service, install

ROOT = Path(__file__).parents[2]
NOWHERE = Service("nowhere", ("tq-no-such-program",), (), ("tq-no-such-package",), ("tq-no-such-formula",))


@pytest.fixture
def no_installer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with neither apt-get nor Homebrew, which lacks one service."""
    monkeypatch.setitem(SERVICES, "nowhere", NOWHERE)
    monkeypatch.setattr(shutil, "which", lambda _: None)


@pytest.mark.usefixtures("no_installer")
def test_without_an_installer_the_command_is_printed_and_the_run_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("CI", raising=False)
    assert install.main(["nowhere"]) == 0
    assert f"install nowhere with: {NOWHERE.hint()}" in capsys.readouterr().out


@pytest.mark.usefixtures("no_installer")
def test_in_ci_a_service_that_is_still_missing_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    assert install.main(["nowhere"]) == 1


def test_an_unknown_service_is_refused_with_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert install.main(["reddis"]) == 2
    assert "redis, postgres" in capsys.readouterr().err


def test_the_installer_needs_nothing_but_the_standard_library() -> None:
    done = subprocess.run(
        [sys.executable, "-S", "-c", "import tests.services.install"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
