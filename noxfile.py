"""Sessions: `python -m nox` runs lint and tests; `python -m nox -l` lists all.

The parts are found, not listed: the core, every folder of plugins/ with a pyproject.toml, and the code-less `tq`
itself. They are installed from this checkout on one command line, because none of them is on an index.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import nox

nox.needs_version = ">=2024.10.9"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.sessions = ["lint", "tests"]

ROOT = Path(__file__).parent
PLUGINS = sorted(file.parent for file in ROOT.glob("plugins/*/pyproject.toml"))
UNTRACED_PACKAGES = ("tq_asyncio", "tq_eventlet", "tq_gevent", "tq_prefork", "tq_threads")
PARTS = [ROOT / "core", *PLUGINS]
EXAMPLES = sorted(file.parent for file in ROOT.glob("examples/plugins/*/pyproject.toml"))
PACKAGES = ["tq", *(f"tq_{plugin.name}" for plugin in PLUGINS)]
# Tests wait more than they work, so there are more processes than small machines have cores. The tests of one file
# stay together, since they share servers and databases.
PARALLEL = ["-n", "3", "--dist", "loadfile", "--no-loadscope-reorder"]
# What is measured, and no more: a hook plugin that is installed hears of every message.
MEASURED = ("core", "redis", "amqp", "sql", "prefork", "threads", "asyncio")
PROJECT = nox.project.load_toml("pyproject.toml")
LISTED = """
from importlib.metadata import distributions
found = {f"{dist.name}=={dist.version}" for dist in distributions() if dist.name.partition("-")[0] != "tq"}
print(*sorted(found), sep="\\n")
"""


@nox.session
def lint(session: nox.Session) -> None:
    """Check format, style, types, the public API's types and the import direction."""
    # Examples are linted as the parts are; their tests run in environments of their own (tests/packaging).
    _install(session, "lint", "test", parts=[*PARTS, *EXAMPLES])
    checks = (
        ("ruff", "format", "--check", "."),
        ("ruff", "check", "."),
        ("mypy", *(str(source.relative_to(ROOT)) for source in _sources())),
        # The tests of two parts may have the same file names, so these are told apart by their folders.
        ("mypy", "--explicit-package-bases", *_tests(), "tests", "conftest.py", "noxfile.py"),
        ("python", "-m", "tests.public_types"),
        ("pytest", "tests/typing"),
        ("lint-imports",),
    )
    failed = [" ".join(check) for check in checks if not _passes(session, check)]
    if failed:
        session.error("\n  ".join(("these checks failed:", *failed)))


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests of all parts on real servers; arguments go to pytest."""
    _install(session, "test")
    session.run("python", "-m", "tests.services.install")
    session.run("python", "-m", "tests.run", *PARALLEL, "--durations=30", *session.posargs)


@nox.session
def coverage(session: nox.Session) -> None:
    """Run the tests with a tracer, a quarter slower, and print the coverage; arguments go to pytest."""
    _install(session, "test")
    session.run("python", "-m", "tests.services.install")
    # The pools' tests run without the tracer (tests/untraced.py), so figures for them would mean nothing.
    measured = [f"--cov={package}" for package in PACKAGES if package not in UNTRACED_PACKAGES]
    session.run("pytest", *PARALLEL, *measured, "--cov-report=term:skip-covered", *session.posargs)


@nox.session
def conformance(session: nox.Session) -> None:
    """Run the conformance suite of one plugin: `python -m nox -s conformance -- redis`."""
    if not session.posargs:
        session.error(f"name a plugin: {', '.join(plugin.name for plugin in PLUGINS)}")
    name, *rest = session.posargs
    if ROOT / "plugins" / name not in PLUGINS:
        session.error(f"there is no plugins/{name}/pyproject.toml")
    _install(session, "test")
    session.run("python", "-m", "tests.services.install")
    session.run("pytest", f"plugins/{name}", "-k", "conformance", *rest)


@nox.session
def kit(session: nox.Session) -> None:
    """Write a plugin of each kind, lint, build, install and test it, and use all from a config file; part of `lint` and
    `tests` as well."""
    _install(session, "lint", "test")
    session.run("pytest", "tests/packaging/test_kit.py", "tests/typing/test_kit.py", *session.posargs)


@nox.session
def faults(session: nox.Session) -> None:
    """Play all faults in their long form and write docs/reliability.md; arguments go to tests/faults."""
    _install(session, "test")
    session.run("python", "-m", "tests.services.install")
    session.run(
        "python", "-m", "tests.faults", *(session.posargs or ("--size", "long", "--write", "--jobs", "4"))
    )


@nox.session
def build(session: nox.Session) -> None:
    """Build the wheels and source archives of all distributions into dist/."""
    session.install("build[uv]>=1.2")
    shutil.rmtree(ROOT / "dist", ignore_errors=True)
    for part in (*PARTS, ROOT):
        session.run(
            "python", "-m", "build", "--installer=uv", "--outdir", str(ROOT / "dist"), str(part), silent=True
        )
    for file in sorted((ROOT / "dist").glob("*.whl")):
        session.log(file.name)


@nox.session
def fuzz(session: nox.Session) -> None:
    """Fuzz each decoder for a minute; arguments name targets and libFuzzer's options: `-- task -max_total_time=600`."""
    _install(session, "test")
    try:
        session.install("--only-binary", "atheris", "atheris>=2.3")
    except nox.command.CommandFailed:
        session.skip("atheris has no wheel for this Python; `-s tests` runs the same targets with hypothesis")
    known = session.run("python", "-m", "tests.fuzz", "--list", silent=True, log=False) or ""
    chosen = [word for word in session.posargs if not word.startswith("-")] or str(known).split()
    options = [word for word in session.posargs if word.startswith("-")] or ["-max_total_time=60"]
    for target in chosen:
        session.run(
            "python", "-m", "tests.fuzz", target, f"-artifact_prefix={session.create_tmp()}/", *options
        )


@nox.session
def audit(session: nox.Session) -> None:
    """Ask the advisory databases about all that is installed with tq; needs the network, so it runs when asked for."""
    _install(session)
    listed = session.run("python", "-c", LISTED, silent=True, log=False)
    file = Path(session.create_tmp()) / "installed.txt"
    file.write_text(str(listed))
    session.install("pip-audit>=2.7")
    # Strict: what a database could not be asked about must not look like what it knows to be good.
    audited = ("pip-audit", "--strict", "--disable-pip", "--no-deps", "--progress-spinner", "off")
    known = file.with_name("known.txt")
    known.write_text("jinja2==2.4.1\n")
    said = str(session.run(*audited, "-r", str(known), success_codes=[0, 1], silent=True, log=False))
    if not any(word in said for word in ("PYSEC-", "GHSA-", "CVE-")):
        session.error(
            f"nothing was audited: {known.read_text().strip()} has advisories, and pip-audit could get none of them here; "
            f"run this where https://pypi.org/pypi/ can be reached. It said:\n{said}"
        )
    session.run(*audited, "-r", str(file), *session.posargs)


@nox.session(reuse_venv=True)
def bench(session: nox.Session) -> None:
    """Measure tq beside its peers on the same servers; arguments go to bench/run.py (`-- --quick`)."""
    _install(session, "bench", parts=[part for part in PARTS if part.name in MEASURED])
    session.run("python", "-m", "tests.services.install", "redis", "postgres", "rabbitmq")
    session.run("python", "bench/run.py", *session.posargs)


def _install(session: nox.Session, *groups: str, parts: list[Path] = PARTS) -> None:
    """Install parts from this checkout, with what the named dependency groups of each of them list."""
    editable = [word for part in parts for word in ("-e", str(part))]
    wanted = [item for group in groups for item in nox.project.dependency_groups(PROJECT, group)]
    for part in parts:
        project = nox.project.load_toml(part / "pyproject.toml")
        # The extras of a part are drivers for servers that its tests talk to.
        wanted += [
            item for extra in project["project"].get("optional-dependencies", {}).values() for item in extra
        ]
        if "test" in project.get("dependency-groups", {}):
            wanted += nox.project.dependency_groups(project, "test")
    # Without the workspace of uv, so that uv and pip read the same command line in the same way.
    session.install(*editable, str(ROOT), *wanted, env={"UV_NO_SOURCES": "1"})


def _passes(session: nox.Session, command: tuple[str, ...]) -> bool:
    try:
        session.run(*command)
    except nox.command.CommandFailed:
        return False
    return True


def _sources() -> list[Path]:
    examples = [example / example.name.replace("-", "_") for example in EXAMPLES]
    return [ROOT / "core" / "tq", *(plugin / f"tq_{plugin.name}" for plugin in PLUGINS), *examples]


def _tests() -> list[str]:
    return [str((part / "tests").relative_to(ROOT)) for part in PARTS if any(part.glob("tests/**/*.py"))]
