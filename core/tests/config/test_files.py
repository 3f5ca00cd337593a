"""tq.toml, [tool.tq], profiles, and where they are looked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from tq.config import Settings
from tq.errors import ImproperlyConfigured, UnknownSetting

OWN = """
worker_concurrency = 2
broker_lease = "45"
result_expires = "none"

[broker_transport_options]
socket_timeout = 5

[task_routes]
"shop.*" = { queue = "shop" }

[profile.production]
worker_concurrency = 16
"""


def write(folder: Path, name: str, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_holds_values_of_all_kinds(tmp_path: Path) -> None:
    write(tmp_path, "tq.toml", OWN)
    conf = Settings(cwd=tmp_path, environ={})
    assert conf.worker_concurrency == 2
    assert conf.broker_lease == 45.0
    assert conf.result_expires is None
    assert conf.broker_transport_options == {"socket_timeout": 5}
    assert conf.task_routes == {"shop.*": {"queue": "shop"}}


def test_a_profile_lies_over_its_file(tmp_path: Path) -> None:
    path = write(tmp_path, "tq.toml", OWN)
    conf = Settings(cwd=tmp_path, environ={"TQ_PROFILE": "production"})
    assert (conf.worker_concurrency, conf.broker_lease) == (16, 45.0)
    assert conf.origin("worker_concurrency") == f"{path} profile production"


def test_pyproject_holds_the_same_under_tool_tq(tmp_path: Path) -> None:
    text = '[tool.tq]\ntimezone = "UTC"\n[tool.tq.profile.ci]\ntask_always_eager = true\n'
    path = write(tmp_path, "pyproject.toml", text)
    conf = Settings(cwd=tmp_path, environ={"TQ_PROFILE": "ci"})
    assert (conf.timezone, conf.task_always_eager) == ("UTC", True)
    assert conf.origin("timezone") == f"{path} [tool.tq]"


def test_a_file_is_found_above_up_to_the_project(tmp_path: Path) -> None:
    write(tmp_path, "tq.toml", 'timezone = "UTC"')
    write(tmp_path, "pyproject.toml", "[project]\n")
    below = tmp_path / "src" / "shop"
    below.mkdir(parents=True)
    assert Settings(cwd=below, environ={}).timezone == "UTC"


def test_the_search_ends_at_the_project(tmp_path: Path) -> None:
    write(tmp_path, "tq.toml", 'timezone = "UTC"')
    write(tmp_path / "shop", "pyproject.toml", "[project]\n")
    (tmp_path / "other" / ".git").mkdir(parents=True)
    assert Settings(cwd=tmp_path / "shop", environ={}).timezone is None
    assert Settings(cwd=tmp_path / "other", environ={}).timezone is None


def test_outside_of_a_project_only_the_folder_itself_counts(tmp_path: Path) -> None:
    write(tmp_path, "tq.toml", 'timezone = "UTC"')
    (tmp_path / "below").mkdir()
    assert Settings(cwd=tmp_path, environ={}).timezone == "UTC"
    assert Settings(cwd=tmp_path / "below", environ={}).timezone is None


@pytest.mark.parametrize("name", ["elsewhere.toml", "pyproject.toml"])
def test_a_variable_may_name_the_file(tmp_path: Path, name: str) -> None:
    head = "[tool.tq]\n" if name == "pyproject.toml" else ""
    path = write(tmp_path / "etc", name, f'{head}timezone = "UTC"')
    (tmp_path / "cwd").mkdir()
    assert Settings(cwd=tmp_path / "cwd", environ={"TQ_CONFIG": str(path)}).timezone == "UTC"
    assert Settings(cwd=tmp_path / "cwd", environ={"TQ_CONFIG": f"../etc/{name}"}).timezone == "UTC"


@pytest.mark.parametrize(
    ("files", "environ", "message"),
    [
        ({"tq.toml": "a = "}, {}, "tq.toml is not valid TOML: "),
        ({"tq.toml": "", "pyproject.toml": "[tool.tq]\n"}, {}, "have settings: keep one"),
        ({"pyproject.toml": "[tool]\ntq = 3\n"}, {}, r"\[tool.tq\] is a table of settings, not 3"),
        ({"tq.toml": "profile = 3"}, {}, r"`profile` holds tables, one a profile: \[profile.NAME\]"),
        ({"tq.toml": OWN}, {"TQ_PROFILE": "prod"}, "has no such profile; it has: production"),
        ({}, {"TQ_PROFILE": "prod"}, r"TQ_PROFILE=prod, but there is no tq.toml and no \[tool.tq\]"),
        ({}, {"TQ_CONFIG": "gone.toml"}, "cannot read .*gone.toml: No such file"),
        ({"pyproject.toml": ""}, {"TQ_CONFIG": "pyproject.toml"}, r"there is no \[tool.tq\] in it"),
    ],
)
def test_a_wrong_file_is_explained(
    tmp_path: Path, files: dict[str, str], environ: dict[str, str], message: str
) -> None:
    for name, text in files.items():
        write(tmp_path, name, text)
    conf = Settings(cwd=tmp_path, environ=environ)
    with pytest.raises(ImproperlyConfigured, match=message):
        _ = conf.worker_pool


def test_an_unknown_name_in_a_file_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, "tq.toml", 'broker = "redis://"')
    conf = Settings(cwd=tmp_path, environ={})
    with pytest.raises(UnknownSetting) as caught:
        _ = conf.worker_pool
    assert str(caught.value).startswith(f"no setting broker ({path}): ")
