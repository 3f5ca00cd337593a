from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tq
from tq.contracts import Broker
from tq.errors import ImproperlyConfigured, PluginError
from tq.plugins import registry
from tq.plugins.address import read_address
from tq.testing.dist import fake_dist, on_path

Install = Callable[..., Path]

# The smallest drivers that fulfil the contracts.
DRIVERS = Path(__file__).parent / "drivers"
BROKER, BACKEND, SERIALIZER, POOL, STORE = (
    (DRIVERS / f"{kind}.txt").read_text("utf-8")
    for kind in ("broker", "backend", "serializer", "pool", "schedule")
)


def refused(call: Callable[..., object], *args: object) -> str:
    with pytest.raises(PluginError) as caught:
        call(*args)
    assert isinstance(caught.value, tq.TQError)
    return str(caught.value)


# -- what works --------------------------------------------------------------------------------------------


def test_a_broker_is_found_by_the_scheme_of_its_url(install: Install) -> None:
    install("acme-broker", BROKER, {"tq.brokers": {"acme": "acme_broker:MyBroker"}})
    broker = registry.load_broker("acme://u:p@host/0")
    assert isinstance(broker, Broker)
    assert broker.url == "acme://u:p@host/0"
    assert registry.broker_class("ACME://host").__name__ == "MyBroker"


def test_a_distribution_installed_after_the_first_look_is_found(install: Install) -> None:
    refused(registry.broker_class, "acme://")
    install("acme-broker", BROKER, {"tq.brokers": {"acme": "acme_broker:MyBroker"}})
    assert registry.broker_class("acme://").__name__ == "MyBroker"


def test_options_reach_the_driver_which_refuses_unknown_ones(install: Install) -> None:
    install("acme-broker", BROKER, {"tq.brokers": {"acme": "acme_broker:MyBroker"}})
    with pytest.raises(ImproperlyConfigured, match="visibility"):
        registry.load_broker("acme://host", {"visibility": 3})


def test_a_backend_gets_its_serializer_and_expiry(install: Install) -> None:
    install("acme-results", BACKEND, {"tq.backends": {"acme": "acme_results:MyBackend"}})
    install("acme-mine", SERIALIZER, {"tq.serializers": {"mine": "acme_mine:MySerializer"}})
    serializer = registry.load_serializer("mine")
    backend = registry.load_backend("acme://host", serializer=serializer, expires=5.0)
    assert (backend.serializer, backend.expires) == (serializer, 5.0)
    assert registry.backend_class("acme://host") is type(backend)


def test_the_full_scheme_wins_over_the_part_before_the_plus(install: Install) -> None:
    two = BACKEND + "\nclass Special(MyBackend): pass\n"
    install("acme-db", two, {"tq.backends": {"acme": "acme_db:MyBackend", "acme+pg": "acme_db:Special"}})
    assert registry.backend_class("acme+pg://host/db").__name__ == "Special"
    assert registry.backend_class("acme+mysql://host/db").__name__ == "MyBackend"
    assert registry.backend_class("acme+pg+psycopg://host/db").__name__ == "Special"
    assert registry.backend_class("acme://host/db").__name__ == "MyBackend"


def test_a_bare_installed_name_counts_as_a_url(install: Install) -> None:
    install("acme-broker", BROKER, {"tq.brokers": {"acme": "acme_broker:MyBroker"}})
    assert registry.load_broker("acme").url == "acme://"


def test_serializers_pools_and_schedulers_are_found_by_name(install: Install) -> None:
    install("acme-mine", SERIALIZER, {"tq.serializers": {"mine": "acme_mine:MySerializer"}})
    install("acme-pool", POOL, {"tq.pools": {"fibres": "acme_pool:MyPool"}})
    install("acme-beat", STORE, {"tq.schedulers": {"nightly": "acme_beat:MyStore"}})
    assert registry.load_serializer("mine").dumps(1) == b"1"
    assert registry.load_pool("fibres").__name__ == "MyPool"
    store = registry.load_schedule_store("nightly://host", namespace="shop")
    assert (type(store).__name__, store.url, store.namespace) == ("MyStore", "nightly://host", "shop")


def test_a_serializer_that_asks_for_settings_gets_those_of_its_app(install: Install) -> None:
    source = SERIALIZER + (
        "\n    @classmethod\n    def configured(cls, settings):"
        "\n        made = cls()\n        made.key = settings['task_default_queue']\n        return made\n"
    )
    install("acme-mine", source, {"tq.serializers": {"mine": "acme_mine:MySerializer"}})
    app = tq.TQ(task_default_queue="secret", set_as_current=False)
    assert app.serializers["mine"].key == "secret"  # type: ignore[attr-defined]
    assert app.serializers["mine"] is app.serializers["mine"]


def test_a_serializer_that_refuses_its_settings_says_why(install: Install) -> None:
    source = SERIALIZER + (
        "\n    @classmethod\n    def configured(cls, settings):"
        "\n        from tq.errors import ImproperlyConfigured"
        "\n        raise ImproperlyConfigured('acme_key is not set')\n"
    )
    install("acme-mine", source, {"tq.serializers": {"mine": "acme_mine:MySerializer"}})
    with pytest.raises(ImproperlyConfigured, match="acme_key is not set"):
        tq.TQ(set_as_current=False).serializers["mine"]


def test_a_serializer_may_be_registered_as_an_instance(install: Install) -> None:
    source = SERIALIZER + "\nready = MySerializer()\n"
    install("acme-mine", source, {"tq.serializers": {"mine": "acme_mine:ready"}})
    assert registry.load_serializer("mine").loads(b"x") == "x"


def test_a_class_can_be_named_instead_of_registered(install: Install) -> None:
    install("acme-beat", STORE, {})
    install("acme-pool", POOL, {})
    assert registry.schedule_store_class("acme_beat:MyStore").__name__ == "MyStore"
    assert registry.load_pool("acme_pool:MyPool").__name__ == "MyPool"
    assert "acme_beat:Hourly" in refused(registry.schedule_store_class, "acme_beat:Hourly")


def test_the_built_in_drivers_are_registered() -> None:
    serializer = registry.load_serializer("json")
    assert registry.broker_class("memory://").__module__ == "tq.brokers.memory"
    for url in ("memory://", "cache+memory://"):
        backend = registry.load_backend(url, serializer=serializer, expires=None)
        assert type(backend).__module__ == "tq.results.memory"


# -- nothing there -----------------------------------------------------------------------------------------


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tq.plugins.discovery.distributions", lambda: iter(()))


@pytest.mark.usefixtures("nothing_installed")
@pytest.mark.parametrize(
    ("url", "bundle"),
    [
        ("sqs://", "sqs"),
        ("redis://host", "redis"),
        ("redis+socket:///run/redis.sock", "redis"),
        ("sentinel://host:26379", "redis"),
        ("pyamqp://host", "amqp"),
        ("sqla+sqlite:///tq.db", "sql"),
        ("postgresql+psycopg://host/db", "sql"),
        ("filesystem:///queues", "filesystem"),
        ("redis", "redis"),
    ],
)
def test_a_known_broker_that_is_not_installed_names_its_bundle(url: str, bundle: str) -> None:
    message = refused(registry.load_broker, url)
    assert f'install it with: pip install "tq[{bundle}]"' in message
    assert message.startswith("no broker plugin for ")


@pytest.mark.usefixtures("nothing_installed")
@pytest.mark.parametrize(
    ("url", "bundle"),
    [
        ("db+postgresql://host/db", "sql"),
        ("rpc://", "amqp"),
        ("cache+memcached://host", "memcache"),
        ("s3://bucket", "s3"),
        ("mongodb://host", "mongodb"),
        ("file:///results", "filesystem"),
    ],
)
def test_a_known_backend_that_is_not_installed_names_its_bundle(url: str, bundle: str) -> None:
    assert f'pip install "tq[{bundle}]"' in refused(registry.backend_class, url)


@pytest.mark.usefixtures("nothing_installed")
def test_pools_and_serializers_that_are_not_installed_name_their_bundle() -> None:
    assert 'pip install "tq[gevent]"' in refused(registry.load_pool, "gevent")
    assert 'pip install "tq[msgpack]"' in refused(registry.load_serializer, "msgpack")
    assert refused(registry.load_serializer, "json").endswith("pip install --force-reinstall tq-core")


@pytest.mark.usefixtures("nothing_installed")
def test_the_message_names_the_checkout_where_the_bundle_lies_in_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "plugins" / "sqs").mkdir(parents=True)
    monkeypatch.setattr("tq.plugins.choice.CHECKOUT", tmp_path)
    assert refused(registry.broker_class, "sqs://").endswith(f"pip install -e {tmp_path / 'plugins' / 'sqs'}")
    assert "checkout" not in refused(registry.broker_class, "redis://")


def test_a_misspelt_scheme_gets_a_suggestion_among_known_and_installed(install: Install) -> None:
    install("acme-broker", BROKER, {"tq.brokers": {"acme": "acme_broker:MyBroker"}})
    assert refused(registry.load_broker, "reddis://h").endswith("did you mean redis://?")
    assert refused(registry.load_broker, "acne://h").endswith("did you mean acme://?")
    assert refused(registry.load_pool, "preforc").endswith("did you mean 'prefork'?")


def test_a_scheme_like_no_other_lists_what_is_installed(install: Install) -> None:
    install("acme-broker", BROKER, {"tq.brokers": {"acme": "acme_broker:MyBroker"}})
    message = refused(registry.load_broker, "zzqx://h")
    assert message.startswith("no broker plugin for zzqx://: installed: acme://")


def test_a_backend_used_as_a_broker_is_told_so() -> None:
    message = refused(registry.load_broker, "rpc://")
    assert message == "no broker plugin for rpc://: rpc:// is a result backend, not a broker"
    assert "is a broker, not a result backend" in refused(registry.backend_class, "sqs://")


# -- no URL at all -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("", "is empty"),
        ("C:\\data\\tq.db", "Windows path: for a SQLite file write sqlite:///C:/data/tq.db"),
        ("C:/data/tq.db", "Windows path"),
        ("\\\\server\\share", "Windows path"),
        ("/var/lib/tq.db", "is a path: for a SQLite file write sqlite:////var/lib/tq.db"),
        ("localhost:6379", "has no scheme"),
        ("redis:/localhost", "has no scheme"),
        ("zzqx", "has no scheme"),
        (" redis://h", "no valid scheme"),
        ("://h", "no valid scheme"),
    ],
)
def test_text_that_is_no_url_says_how_to_write_one(url: str, expected: str) -> None:
    message = refused(registry.load_broker, url)
    assert expected in message
    assert "redis://localhost:6379/0" in message or "sqlite:///" in message


def test_a_forgotten_scheme_does_not_show_the_password() -> None:
    assert "hunter2" not in refused(registry.load_broker, "user:hunter2@localhost:6379")


@given(st.text())
def test_any_text_is_an_address_or_a_plugin_error(text: str) -> None:
    try:
        address = read_address(text, noun="broker", known={"redis"})
    except PluginError:
        return
    assert "://" in address.url
    assert address.names[0] == address.url.partition("://")[0].lower()
    assert address.names[-1] == address.names[0].partition("+")[0]


# -- there, but broken -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "cause"),
    [
        ("import acme_broker.parts", "No module named 'acme_broker.parts'"),
        ("assert False, 'acme asserts'", "acme asserts"),
        ("def (", "SyntaxError"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("", "has no attribute 'MyBroker'"),
    ],
)
def test_a_plugin_that_cannot_be_imported_names_distribution_version_and_cause(
    install: Install, source: str, cause: str
) -> None:
    install("acme-broker", source, {"tq.brokers": {"acme": "acme_broker:MyBroker"}}, "2.3")
    message = refused(registry.load_broker, "acme://u:hunter2@h")
    assert "acme-broker 2.3 for acme://" in message
    assert cause in message
    assert "pip install --force-reinstall acme-broker" in message
    assert "hunter2" not in message


def test_a_module_that_a_plugin_misses_is_named_with_the_command_that_brings_it(install: Install) -> None:
    install(
        "acme-broker", "import acme_client.parts", {"tq.brokers": {"acme": "acme_broker:MyBroker"}}, "2.3"
    )
    message = refused(registry.load_broker, "acme://u:hunter2@h")
    assert "acme-broker 2.3 for acme:// needs the module 'acme_client', which is not installed" in message
    assert message.endswith("pip install acme-broker")


def test_an_entry_point_that_is_no_reference_is_a_broken_plugin(install: Install) -> None:
    install("acme-broker", "", {"tq.brokers": {"acme": "not a reference!"}})
    assert "acme-broker 1.0" in refused(registry.load_broker, "acme://")


@pytest.mark.parametrize(
    ("target", "flaw"),
    [
        ("Other", "the class Other, not a subclass of tq.contracts.Broker"),
        ("make", "an object of type function, not a subclass of tq.contracts.Broker"),
        ("Half", "does not implement close, consumer, publish of tq.contracts.Broker"),
    ],
)
def test_a_wrong_type_of_broker_is_refused(install: Install, target: str, flaw: str) -> None:
    source = "from tq.contracts import Broker\nclass Other: pass\nclass Half(Broker): pass\ndef make(): return Other()"
    install("acme-broker", source, {"tq.brokers": {"acme": f"acme_broker:{target}"}})
    message = refused(registry.load_broker, "acme://")
    assert "acme-broker 1.0 for acme:// is broken" in message
    assert flaw in message


def test_a_serializer_names_what_it_lacks(install: Install) -> None:
    install("acme-mine", "class Mine:\n    name = 'mine'", {"tq.serializers": {"mine": "acme_mine:Mine"}})
    message = refused(registry.load_serializer, "mine")
    assert "without content_type, content_encoding, safe, dumps, loads of tq.contracts.Serializer" in message


def test_a_serializer_that_cannot_be_made_is_a_plugin_error(install: Install) -> None:
    source = SERIALIZER + "\n    def __init__(self):\n        raise OSError('no key file')\n"
    install("acme-mine", source, {"tq.serializers": {"mine": "acme_mine:MySerializer"}})
    assert "OSError: no key file" in refused(registry.load_serializer, "mine")


def test_a_schedule_store_has_to_be_one(install: Install) -> None:
    install("acme-beat", "nightly = 3", {"tq.schedulers": {"nightly": "acme_beat:nightly"}})
    assert "not a subclass of tq.contracts.ScheduleStore" in refused(registry.schedule_store_class, "nightly")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("url", "acme://u:**@h"),
        ("'hunter%2F2 in u:hunter%2F2@h'", "** in u:**@h"),
        ("'user u, password hunter/2'", "user u, password **"),
    ],
)
def test_a_driver_that_cannot_be_made_hides_the_password_its_error_quotes(
    install: Install, text: str, shown: str
) -> None:
    source = BROKER + f"\n    def __init__(self, url, options=None):\n        raise ValueError({text})\n"
    install("acme-broker", source, {"tq.brokers": {"acme": "acme_broker:MyBroker"}})
    message = refused(registry.load_broker, "acme://u:hunter%2F2@h")
    assert message == f"the broker for acme://u:**@h cannot be made: ValueError: {shown}"


@pytest.mark.parametrize("url", ["acme://[::1", "acme://u:hunter2@h\u2100/x"])
def test_a_url_that_a_driver_cannot_parse_is_an_error_of_tq(install: Install, url: str) -> None:
    parses = "\n    def __init__(self, url, options=None):\n        __import__('urllib.parse').parse.urlsplit(url)\n"
    install("acme-broker", BROKER + parses, {"tq.brokers": {"acme": "acme_broker:MyBroker"}})
    with pytest.raises(tq.TQError) as caught:
        registry.load_broker(url)
    assert "hunter2" not in str(caught.value)


def test_two_distributions_for_one_scheme_are_both_named(install: Install) -> None:
    install("acme-one", BROKER, {"tq.brokers": {"acme": "acme_one:MyBroker"}}, "1.1")
    install("acme-two", BROKER, {"tq.brokers": {"ACME": "acme_two:MyBroker"}}, "2.2")
    message = refused(registry.load_broker, "acme://u:hunter2@h")
    assert message.startswith("two installed plugins claim the broker acme://: ")
    assert "acme-one 1.1 (acme_one:MyBroker)" in message
    assert "acme-two 2.2 (acme_two:MyBroker)" in message
    assert "pip uninstall acme-" in message
    assert "hunter2" not in message


def test_one_distribution_that_lies_on_the_path_twice_is_no_conflict(site: Path, tmp_path: Path) -> None:
    points = {"tq.brokers": {"acme": "acme_broker:MyBroker"}}
    moved = {"tq.brokers": {"acme": "old_acme:MyBroker"}}
    fake_dist(site, "Acme_Broker", "1.0", entry_points=moved)
    with on_path(tmp_path / "checkout") as checkout:
        fake_dist(checkout, "acme-broker", "1.1", entry_points=points, modules={"acme_broker": BROKER})
        assert registry.broker_class("acme://").__module__ == "acme_broker"


def test_the_remains_of_an_older_version_in_the_same_folder_are_no_conflict(install: Install) -> None:
    points = {"tq.brokers": {"acme": "acme_broker:MyBroker"}}
    install("acme-broker", BROKER, points, "1.0")
    install("acme-broker", BROKER, points, "1.1")
    assert registry.broker_class("acme://").__name__ == "MyBroker"


@pytest.mark.parametrize(
    ("version", "remedy"),
    [
        ("0", "too old: upgrade it: pip install --upgrade acme-broker"),
        ("2", "too new: upgrade tq: pip install --upgrade tq-core, or install an older acme-broker"),
    ],
)
def test_a_wrong_api_version_says_which_side_to_upgrade(install: Install, version: str, remedy: str) -> None:
    source = BROKER.replace("api_version = 1", f"api_version = {version}")
    install("acme-broker", source, {"tq.brokers": {"acme": "acme_broker:MyBroker"}})
    message = refused(registry.load_broker, "acme://")
    assert f"acme-broker 1.0 for acme:// has version {version} of the broker interface" in message
    assert message.endswith(remedy)


@pytest.mark.parametrize("line", ["", "api_version = '1'", "api_version = True"])
def test_an_api_version_that_is_no_number_is_refused(install: Install, line: str) -> None:
    source = SERIALIZER.replace("api_version = 1", line)
    install("acme-mine", source, {"tq.serializers": {"mine": "acme_mine:MySerializer"}})
    assert "no integer api_version" in refused(registry.load_serializer, "mine")


def test_a_broken_plugin_disturbs_no_other(install: Install, site: Path) -> None:
    install("acme-broker", BROKER, {"tq.brokers": {"acme": "acme_broker:MyBroker"}})
    install("bad-broker", "raise RuntimeError", {"tq.brokers": {"bad": "bad_broker:X"}})
    nameless = fake_dist(site, "nameless", entry_points={"tq.brokers": {"nameless": "x:y"}})
    (nameless / "METADATA").unlink()
    assert registry.broker_class("acme://").__name__ == "MyBroker"


def test_a_damaged_distribution_is_passed_over_with_a_warning(
    install: Install, site: Path, caplog: pytest.LogCaptureFixture
) -> None:
    install("acme-broker", BROKER, {"tq.brokers": {"acme": "acme_broker:MyBroker"}})
    damaged = fake_dist(site, "damaged")
    (damaged / "entry_points.txt").write_bytes(b"[tq.brokers]\nx = \xff\xfe\n")
    assert registry.broker_class("acme://").__name__ == "MyBroker"
    assert "cannot read the entry points" in caplog.text


# -- what is installed -------------------------------------------------------------------------------------


def test_the_list_shows_each_plugin_with_its_capabilities(install: Install) -> None:
    install("acme-broker", BROKER, {"tq.brokers": {"acme": "acme_broker:MyBroker"}}, "3.1")
    [row] = [row for row in registry.installed() if row.name == "acme"]
    assert (row.kind, row.distribution, row.version) == ("broker", "acme-broker", "3.1")
    assert (row.target, row.api_version, row.error) == ("acme_broker:MyBroker", 1, None)
    assert row.capabilities == "delay, priority"


def test_the_list_shows_the_built_ins() -> None:
    rows = {(row.kind, row.name): row for row in registry.installed()}
    for key in [("broker", "memory"), ("backend", "cache+memory"), ("serializer", "json")]:
        assert rows[key].distribution == "tq-core"
        assert rows[key].error is None


def test_the_list_shows_what_is_wrong_with_a_plugin_and_goes_on(install: Install) -> None:
    install("a-bad", "import nowhere_at_all", {"tq.brokers": {"bad": "a_bad:X"}})
    install("acme-one", BROKER, {"tq.brokers": {"acme": "acme_one:MyBroker"}})
    install("acme-two", BROKER, {"tq.brokers": {"acme": "acme_two:MyBroker"}})
    install("b-good", BROKER, {"tq.brokers": {"good": "b_good:MyBroker"}})
    rows = {row.distribution: row for row in registry.installed()}
    assert "nowhere_at_all" in (rows["a-bad"].error or "")
    assert rows["acme-one"].error == rows["acme-two"].error == "another plugin claims acme:// as well"
    assert rows["b-good"].error is None


def test_the_list_shows_hook_plugins_and_their_mistakes(install: Install) -> None:
    good = "from tq.contracts.hooks import hookimpl\n@hookimpl\ndef task_prerun(request): pass\n"
    install("acme-watch", good, {"tq.hooks": {"watch": "acme_watch"}})
    install("acme-typo", good.replace("prerun", "prerunn"), {"tq.hooks": {"typo": "acme_typo"}})
    install("acme-none", "def task_prerun(request): pass", {"tq.hooks": {"none": "acme_none"}})
    install("acme-gone", "import nowhere_at_all", {"tq.hooks": {"gone": "acme_gone"}})
    rows = {row.name: row for row in registry.installed() if row.kind == "hook"}
    assert rows["watch"].capabilities == "task_prerun"
    assert rows["watch"].error is None
    assert "did you mean task_prerun?" in (rows["typo"].error or "")
    assert "implements no hook" in (rows["none"].error or "")
    assert "nowhere_at_all" in (rows["gone"].error or "")


# -- what it costs -----------------------------------------------------------------------------------------


def python(code: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    return done.stdout.strip()


def test_importing_tq_and_the_registry_imports_no_plugin_machinery() -> None:
    heavy = "{'stevedore', 'pluggy', 'importlib.metadata'}"
    code = f"import sys, tq, tq.contracts, tq.plugins.registry, tq.signals; print({heavy} & set(sys.modules))"
    assert python(code) == "set()"


def test_loading_a_driver_leaves_no_cache_of_stevedore_behind(tmp_path: Path) -> None:
    code = "from tq.plugins.registry import broker_class; print(broker_class('memory://').__name__)"
    assert python(code, HOME=str(tmp_path), XDG_CACHE_HOME=str(tmp_path / "cache")) == "MemoryBroker"
    assert list(tmp_path.iterdir()) == []
