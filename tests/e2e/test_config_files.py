"""The programs of the examples move from store to store by `tq.toml` alone: the files of examples/stores."""

from __future__ import annotations

import json
import shutil
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.processes import Program
from tests.processes.program import ROOT
from tests.processes.worker import READY
from tests.services.moto import KEY, REGION, SECRET, MotoServer
from tq.options import mask_url

FILES = ROOT / "examples" / "stores"
STORES = ["sqlite", "redis", "rabbitmq", "sqs", "postgresql", "mongodb", "filesystem", "memcached"]
Run = Callable[..., Program]
TEXTS = {"a.txt": "one and two\n", "b.txt": "three\nfour\n", "empty.txt": ""}


@pytest.fixture(params=STORES)
def project(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The folder of a user: the example, some texts, and one of the files as `tq.toml`."""
    shutil.copy(ROOT / "examples" / "word_count.py", tmp_path)
    (tmp_path / "library").mkdir()
    for name, text in TEXTS.items():
        (tmp_path / "library" / name).write_text(text)
    written = (FILES / f"{request.param}.toml").read_text()
    for usual, here in _addresses(request, tmp_path).items():
        assert usual in written, f"{usual} is no more in {request.param}.toml"
        written = written.replace(usual, here)
    (tmp_path / "tq.toml").write_text(written)
    return tmp_path


def _addresses(request: pytest.FixtureRequest, folder: Path) -> dict[str, str]:
    """The addresses in a file, and where the servers of the tests are."""

    def url(fixture: str) -> str:
        found: str = request.getfixturevalue(fixture)
        return found

    match request.param:
        case "redis":
            return {"redis://localhost:6379/0": url("redis_url")}
        case "rabbitmq":
            return {"amqp://guest:guest@localhost:5672//": url("rabbitmq_url")}
        case "sqs":
            return {
                "sqs://eu-west-1": url("sqs_url"),
                "s3://my-bucket/results?region=eu-west-1": url("s3_url"),
            }
        case "postgresql":
            return {"postgresql://tq:password@localhost:5432/tq": url("postgres_url")}
        case "mongodb":
            return {"mongodb://localhost:27017/tq": url("mongodb_url")}
        case "filesystem":
            return {"/var/lib/tq": str(folder / "shared")}
        case "memcached":
            results = url("memcached_url").replace("memcache://", "cache+memcached://")
            return {
                "redis://localhost:6379/0": url("redis_url"),
                "cache+memcached://localhost:11211/": results,
            }
        case _:
            return {}


@pytest.fixture
def s3_url(shared_moto: MotoServer) -> str:
    """A bucket of the session's emulator."""
    boto3 = pytest.importorskip("boto3")
    keys = {"aws_access_key_id": KEY, "aws_secret_access_key": SECRET, "region_name": REGION}
    client: Any = boto3.client("s3", endpoint_url=shared_moto.url, **keys)
    client.create_bucket(Bucket="my-bucket", CreateBucketConfiguration={"LocationConstraint": REGION})
    return f"s3://{KEY}:{SECRET}@my-bucket/results?endpoint_url={shared_moto.url}&region={REGION}"


@pytest.fixture
def run(project: Path) -> Iterator[Run]:
    """Start `python WORDS` in the project, as a user does; what still runs at the end is ended."""
    started: list[Program] = []

    def start(*words: str) -> Program:
        started.append(Program([sys.executable, *words], cwd=project))
        return started[-1]

    yield start
    for program in started:
        print(f"--- {program.name}\n{program.tail()}")
        program.close()


def test_a_config_file_alone_moves_the_examples_and_the_demo_to_another_store(
    project: Path, run: Run
) -> None:
    worker = run("-m", "tq", "-A", "word_count", "worker", "-l", "INFO", "-c", "2")
    demo = run("-m", "tq", "-q", "demo", "library", "--json", "-c", "2")
    worker.wait_for(READY)
    client = run("word_count.py", "library/a.txt", "library/nothing.txt", "library/b.txt")
    assert client.wait() == 0, client.tail()
    counted = [line.split() for line in client.output().splitlines()]
    assert ["3", "library/a.txt"] in counted and ["2", "library/b.txt"] in counted, client.output()
    assert "library/nothing.txt: " in client.output()
    worker.stop()
    assert demo.wait() == 0, demo.tail()
    outcome = json.loads(demo.output()[demo.output().index("{\n") :])
    assert (outcome["totals"]["files"], outcome["totals"]["words"], outcome["failures"]) == (3, 5, [])
    said = tomllib.loads((project / "tq.toml").read_text())
    used = outcome["figures"]
    assert (used["broker"], used["backend"]) == (
        mask_url(said["broker_url"]),
        mask_url(said["result_backend"]),
    )
    assert (project / ".tq").exists() == said["broker_url"].startswith("sqlite:"), (
        "the default took its place"
    )


def test_every_file_of_the_examples_is_tried_and_listed() -> None:
    assert sorted(file.stem for file in FILES.iterdir()) == sorted(STORES)
    page = (FILES.parent / "README.md").read_text()
    for file in FILES.iterdir():
        assert f"(stores/{file.name})" in page
        for address in tomllib.loads(file.read_text()).values():
            assert f"`{address}`" in page, f"{address} of {file.name}"
