"""A RabbitMQ node for tests, with its management interface and a port mapper of its own."""

from __future__ import annotations

import base64
import http.client
import json
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests.services.catalog import require
from tests.services.ports import free_port
from tests.services.server import Server, ServiceFailed

# The node's helper epmd would outlive it as a daemon; started here it ends with it, however that ends.
_SCRIPT = 'epmd="$1"; shift; trap : TERM; "$epmd" -address 127.0.0.1 & helper=$!; "$@"; code=$?; kill $helper; exit $code'

# Two schedulers that do not spin, and a look at each channel every second: consumer_timeout is kept that exactly.
_ERLANG = "+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none -rabbit channel_tick_interval 1000"


class RabbitmqServer(Server):
    """One node of RabbitMQ with the user `guest`, password `guest`; `lines` are lines of rabbitmq.conf."""

    name = "rabbitmq"
    account = "rabbitmq"

    def __init__(self, *lines: str) -> None:
        self._programs = require("rabbitmq")
        super().__init__()
        self._lines = lines
        self._numbers = count(1)
        self._http, self._dist, self._epmd = free_port(), free_port(), free_port()

    def prepare(self) -> None:
        """Write the configuration."""
        config = [
            f"listeners.tcp.1 = 127.0.0.1:{self.port}",
            f"management.tcp.port = {self._http}",
            "management.tcp.ip = 127.0.0.1",
            "collect_statistics_interval = 1000",
            "loopback_users = none",
            "disk_free_limit.absolute = 10MB",
            "log.console = true",
            "log.console.level = warning",
            "log.file = false",
            *(line.replace("{folder}", str(self.folder)) for line in self._lines),
        ]
        (self.folder / "rabbitmq.conf").write_text("\n".join(config) + "\n")
        (self.folder / "plugins").write_text("[rabbitmq_management].\n")

    @property
    def url(self) -> str:
        """Where clients find this server: the default virtual host."""
        return self.url_of("/")

    def url_of(self, vhost: str, user: str = "guest", password: str = "guest") -> str:
        """Return the URL of one virtual host."""
        return f"amqp://{user}:{password}@127.0.0.1:{self.port}/{quote(vhost, safe='')}"

    @property
    def management_url(self) -> str:
        """Where the management interface is, with name and password."""
        return f"http://guest:guest@127.0.0.1:{self._http}/api/"

    def command(self) -> list[str | Path]:
        """Return the command that runs the node in the foreground."""
        return ["sh", "-c", _SCRIPT, "node", self._programs["epmd"], self._program()]

    def answers(self) -> bool:
        """Say whether clients and the management interface get answers."""
        if not self.listens():
            return False
        try:
            return bool(self.ask("GET", "/api/whoami")["name"] == "guest")
        except (OSError, ServiceFailed, http.client.HTTPException):
            return False

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """One request to the management interface. Raises ServiceFailed where it is refused."""
        connection = http.client.HTTPConnection("127.0.0.1", self._http, timeout=30)
        login = base64.b64encode(b"guest:guest").decode()
        headers = {"Authorization": f"Basic {login}", "Content-Type": "application/json"}
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            text = response.read().decode()
        finally:
            connection.close()
        if response.status >= 400:
            raise ServiceFailed(f"rabbitmq refused {method} {path}: {response.status} {text}")
        return json.loads(text) if text else None

    def new_vhost(self) -> str:
        """Make an empty virtual host and return its name."""
        name = f"test_{next(self._numbers)}"
        self.ask("PUT", f"/api/vhosts/{name}")
        self.allow("guest", name)
        return name

    def drop_vhost(self, name: str) -> None:
        """Remove a virtual host; its connections are closed."""
        self.ask("DELETE", f"/api/vhosts/{quote(name, safe='')}")

    def new_user(self, name: str, password: str) -> None:
        """Make a user without any permission."""
        self.ask("PUT", f"/api/users/{name}", {"password": password, "tags": ""})

    def allow(
        self, user: str, vhost: str, *, configure: str = ".*", write: str = ".*", read: str = ".*"
    ) -> None:
        """Give a user rights in a virtual host; each is a regular expression of names."""
        rights = {"configure": configure, "write": write, "read": read}
        self.ask("PUT", f"/api/permissions/{quote(vhost, safe='')}/{user}", rights)

    def _program(self) -> Path:
        # On Debian, what is on PATH is a wrapper that insists on the system's own node; beside it is the program.
        return self._programs["rabbitmq-server"].resolve().parent / "rabbitmq-server"

    def _environment(self) -> dict[str, str]:
        return {
            **super()._environment(),
            "RABBITMQ_NODENAME": f"tq{self.port}@localhost",
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq"),
            "RABBITMQ_CONF_ENV_FILE": str(self.folder / "none"),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(self.folder / "log"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "plugins"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(self.folder / "config"),
            "RABBITMQ_PID_FILE": str(self.folder / "pid"),
            "RABBITMQ_DIST_PORT": str(self._dist),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": _ERLANG,
            "ERL_EPMD_PORT": str(self._epmd),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
        }
