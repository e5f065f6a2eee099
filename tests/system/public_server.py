"""A public measurement server in the site: its real processes, and what its operator can do."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from mptcp_check.errors import ServerError
from mptcp_check.machines.namespace import entered
from mptcp_check.server.configuration_keys import PORTS
from mptcp_check.session_client.connection import Connection
from mptcp_check.session_client.server_list import KnownServer
from system.cli import PROGRAM
from system.real_site import SERVER, Site, run

API_PORT = 34380
PROGRAMS = (80, 21, 2121)
ONE = {"http": 80, "ssh": 22}
LIMIT_S = 600.0

CONFIGURATION = """
[server]
id = "site"
state = "{folder}/state"
[api]
listen = ["{server}:{port}", "[::1]:{port}"]
certificate = "{folder}/certificate.pem"
private_key = "{folder}/private-key.pem"
[tickets]
signing_key = "{folder}/ticket-key.pem"
{tickets}
[capture]
run = "{started_by}"
control = "{folder}/capture.sock"
disk_free_min_bytes = 1000000
[services]
run = "{started_by}"
control = "{folder}/control/services.sock"
state = "{services_state}"
listen = {listen}
{ports}
disk_free_min_bytes = 1000000
{services}
[netblocks]
sessions_per_hour = 1000
[metrics]
listen = ""
"""


@dataclass
class PublicServer:
    """The server while it runs."""

    site: Site
    folder: Path
    tickets: str = ""
    services: str = ""
    state: str = ""
    """Where its services keep files; in its folder unless told otherwise."""
    listen: str = '["0.0.0.0"]'
    apps: tuple[str, ...] = ("http", "ftp")
    """The services that it offers; of http one port only."""
    units: bool = False
    """Its three parts are started one by one and its socket is held, as by systemd."""
    beside: "list[subprocess.Popen[bytes]]" = field(default_factory=list)
    held: socket.socket | None = None
    fingerprint: str = ""
    process: "subprocess.Popen[bytes] | None" = None
    address: str = SERVER
    """Of its interface."""
    log: Path = field(init=False)

    def __post_init__(self) -> None:
        self.log = self.folder / "server.log"

    @property
    def host(self) -> str:
        """Its address as a URL has it."""
        return f"[{self.address}]" if ":" in self.address else self.address

    @property
    def url(self) -> str:
        return f"https://{self.host}"

    @property
    def option(self) -> tuple[str, str]:
        """How a user names it."""
        return "--server", f"{self.url},fingerprint={self.fingerprint}"

    def command(self, *words: str) -> str:
        return self.site.run("server", str(PROGRAM), "server", *words)

    def prepare(self) -> None:
        """Make keys, certificate and configuration, as its operator does."""
        files = [str(self.folder / name) for name in ("certificate.pem", "private-key.pem")]
        self.fingerprint = self.command("self-signed", "--name", self.address, *files).strip()
        self.command("keygen", str(self.folder / "ticket-key.pem"))
        (self.folder / "control").mkdir()
        self.configure()

    def configure(self) -> None:
        text = CONFIGURATION.format(
            folder=self.folder,
            server=self.host,
            port=API_PORT,
            tickets=self.tickets,
            services=self.services,
            services_state=self.state or f"{self.folder}/services",
            listen=self.listen,
            ports=ports(self.apps),
            started_by="unit" if self.units else "child",
        )
        path = self.folder / "server.toml"
        path.write_text(text)
        path.chmod(0o644)

    def start(self) -> None:
        """Start all of it and wait until sessions can be had."""
        if self.units and not self.beside:
            with entered(self.site.name("server")):
                self.held = socket.create_server((SERVER, API_PORT), backlog=64)
            self.beside = [self._started(part) for part in ("capture", "services")]
        self.process = self._started("run")
        self.await_ports(API_PORT, *(PROGRAMS if "http" in self.apps else ()))
        self.await_ready()

    def _started(self, part: str) -> "subprocess.Popen[bytes]":
        descriptor = self.held.fileno() if self.held else -1
        # sd_listen_fds(3): the socket is number 3, and meant for this process
        handed = f'LISTEN_PID=$$ LISTEN_FDS=1 exec "$@" 3<&{descriptor}'
        words = handed if self.held and part == "run" else 'exec "$@"'
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [
                    *("ip", "netns", "exec", self.site.name("server"), "bash", "-c", words, "-"),
                    *(str(PROGRAM), "server", part, "--config", str(self.folder / "server.toml")),
                ],
                stdout=log,
                stderr=log,
                env={**self.site.environment(), "XDG_CACHE_HOME": str(self.folder / "cache")},
                pass_fds=[descriptor] if self.held else [],
            )

    def again(self, part: str) -> "subprocess.Popen[bytes]":
        """Start a part that has ended."""
        return self._started(part)

    def await_ready(self) -> None:
        """Wait until sessions, captures and services can be had."""
        end = time.monotonic() + LIMIT_S  # noqa: TID251 - a test
        while True:
            with entered(self.site.name("laptop")), contextlib.suppress(ServerError):
                said = self.connection().ask("GET", "/v1/health")
                if (said["capture"], said["services"]) == ("ready", "ready"):
                    return
            assert time.monotonic() < end, self.log.read_text()  # noqa: TID251 - a test
            time.sleep(0.1)

    def await_ports(self, *ports: int) -> None:
        """Wait until something listens on all of these."""
        end = time.monotonic() + LIMIT_S  # noqa: TID251 - a test
        while True:
            listening = self.site.run("server", "ss", "-Hnlt")
            if all(f":{port} " in listening for port in ports):
                return
            assert self.process is not None
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < end, self.log.read_text()  # noqa: TID251 - a test
            time.sleep(0.1)

    def all_listen(self) -> bool:
        """Say whether each application listens at each address, with Multipath TCP."""
        wanted = {
            ("mptcp", f"[{address}]:{port}" if ":" in address else f"{address}:{port}")
            for app in self.apps
            for port in ((ONE[app],) if app in ONE else PORTS[app][0])
            for address in json.loads(self.listen)
        }
        rows = map(str.split, self.site.run("server", "ss", "-HnltM").splitlines())
        return wanted <= {(row[0], row[4]) for row in rows}

    def connection(self) -> Connection:
        """Return a way to its interface; it is used within a namespace."""
        known = KnownServer(host=self.address, port=API_PORT, fingerprint=self.fingerprint)
        return Connection(server=known, timeout_s=LIMIT_S)

    def end(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            code = self.process.wait(LIMIT_S)
            self.process = None
            assert code == 0, self.log.read_text()

    def end_beside(self) -> None:
        """End what was started beside the interface, and give its socket up."""
        for part in self.beside:
            part.send_signal(signal.SIGTERM)
        codes = [part.wait(LIMIT_S) for part in self.beside]
        self.beside.clear()
        if self.held:
            self.held.close()
        assert not any(codes), self.log.read_text()

    def pids(self, word: str) -> list[int]:
        """Return the processes in the server's namespace whose command line has a word."""
        found = []
        for pid in run("ip", "netns", "pids", self.site.name("server")).split():
            with contextlib.suppress(OSError):
                line = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
                if word in line:
                    found.append(int(pid))
        return found

    def kept_by_services(self) -> list[str]:
        """Return what its application servers keep: folders and accounts of open sessions."""
        return [one for one in self.kept() if one.startswith("services/")]

    def kept(self) -> list[str]:
        """Return what is kept of sessions: folders, accounts, captures."""
        places = ("services/files", "services/closed", "services/accounts", "state/captures")
        return [
            f"{place}/{path.name}"
            for place in places
            for path in sorted((self.folder / place).glob("*"))
            if path.name != "alive" and not path.name.startswith(".")
        ]


def ports(apps: tuple[str, ...]) -> str:
    """Return the settings that leave out every service but these.

    The site's own sshd has ssh's other port.
    """
    some = [f"{name} = [{port}]" for name, port in ONE.items() if name in apps]
    none = [f"{name} = []" for name in PORTS if name not in apps]
    return "\n".join(some + none + ["ftp_plain = []"] * ("ftp" not in apps))


@contextlib.contextmanager
def public_server(
    site: Site,
    *,
    tickets: str = "",
    services: str = "",
    state: str = "",
    units: bool = False,
    apps: tuple[str, ...] = ("http", "ftp"),
    address: str = SERVER,
    listen: str = '["0.0.0.0"]',
) -> Iterator[PublicServer]:
    """Have a server, and nothing of it after."""
    # not pytest's folder, where nobody but root may look: its services are not root
    folder = Path(tempfile.mkdtemp(prefix=f"mptcp-check-server-{os.getpid()}-"))
    folder.chmod(0o755)
    server = PublicServer(
        site=site,
        folder=folder,
        tickets=tickets,
        services=services,
        state=state,
        units=units,
        apps=apps,
        address=address,
        listen=listen,
    )
    try:
        server.prepare()
        server.start()
        yield server
        server.end()
        server.end_beside()
    finally:
        for part in (server.process, *server.beside):
            if part is not None:
                part.kill()
                part.wait()
        if server.held:
            server.held.close()
        for pid in server.pids(str(folder)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        shutil.rmtree(folder, ignore_errors=True)
