"""A measurement server in a namespace, and users behind one translator and one proxy.

user ─┐
user ─┤ middle (masquerades, relays) ─── server
"""

import contextlib
import ctypes
import itertools
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from mptcp_check.errors import ServerError
from mptcp_check.machines.namespace import entered
from mptcp_check.session_client.connection import Connection
from mptcp_check.session_client.remote_session import RemoteSession
from mptcp_check.session_client.server_list import KnownServer

SERVER = "10.9.0.2"
API_PORT, PORT, PROXY_PORT = 34380, 8080, 3128
USERS = (1, 2)
MPTCP = 262
DEADLINE_S = 180.0
_SOL_MPTCP, _MPTCP_TCPINFO, _TCP_ESTABLISHED = 284, 2, 1
_HEAD_BYTES, _STATE_BYTES, _SUBFLOWS_MAX = 16, 8, 8
_numbers = itertools.count()

Answer = Callable[[socket.socket], None]


def gateway(user: int) -> str:
    """Return where a user's packets go out, and where the proxy is."""
    return f"10.9.{user}.254"


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


def await_condition(true: Callable[[], bool], what: str) -> None:
    """Wait until something is true."""
    end = time.monotonic() + DEADLINE_S  # noqa: TID251 - a test
    while not true():
        assert time.monotonic() < end, f"waited in vain: {what}"  # noqa: TID251 - a test
        time.sleep(0.01)


def established_count(connection: socket.socket) -> int:
    """Return how many subflows of a connection are established (linux/mptcp.h, MPTCP_TCPINFO)."""
    room = ctypes.create_string_buffer(_HEAD_BYTES + _SUBFLOWS_MAX * _STATE_BYTES)
    struct.pack_into("=4I", room, 0, _HEAD_BYTES, 0, 0, _STATE_BYTES)
    length = ctypes.c_uint32(len(room))
    libc = ctypes.CDLL(None, use_errno=True)
    option = (connection.fileno(), _SOL_MPTCP, _MPTCP_TCPINFO)
    if libc.getsockopt(*option, room, ctypes.byref(length)) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    count = struct.unpack_from("=4I", room)[1]
    states = room.raw[_HEAD_BYTES::_STATE_BYTES]  # the first octet of each one's tcp_info
    return states[:count].count(_TCP_ESTABLISHED)


@dataclass(kw_only=True)
class ServerNetwork:
    """Namespaces, the server's process, and a service that answers what it is asked."""

    stem: str
    folder: Path
    fingerprint: str = ""
    process: subprocess.Popen[bytes] | None = None
    stop: threading.Event = field(default_factory=threading.Event)
    awaited: tuple[str, ...] = ("capture",)
    """What must be ready when a test begins."""
    sessions: list[tuple[int, RemoteSession]] = field(default_factory=list)
    """Whose they are, and those that a test began."""

    def namespace(self, name: str) -> str:
        return f"{self.stem}-{name}"

    @property
    def state(self) -> Path:
        return self.folder / "state"

    def connection(self) -> Connection:
        """Return a way to the server; it is used within a namespace."""
        known = KnownServer(host=SERVER, port=API_PORT, fingerprint=self.fingerprint)
        return Connection(server=known, timeout_s=DEADLINE_S)

    def session(self, user: int, run_id: str) -> RemoteSession:
        """Begin a session, which `end_sessions` ends unless the test does."""
        with entered(self.namespace(f"user{user}")):
            session = RemoteSession.create(self.connection(), run_id)
        self.sessions.append((user, session))
        return session

    def end_sessions(self) -> None:
        """End all sessions: the next test is alone."""
        while self.sessions:
            user, session = self.sessions.pop()
            with entered(self.namespace(f"user{user}")):
                session.delete()

    def command(self, *words: str) -> list[str]:
        entry = "from mptcp_check.cli.main import main; main()"
        inside = ["ip", "netns", "exec", self.namespace("server")]
        # It dies with the thread that started it.
        tied = ["setpriv", "--pdeathsig", "KILL"]
        return [*inside, *tied, sys.executable, "-c", entry, "server", *words]

    def start(self) -> None:
        """Start the server and wait until it takes sessions and captures."""
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                self.command("run", "--config", str(self.folder / "server.toml")),
                stdout=log,
                stderr=log,
            )
        self.await_ready()

    def await_ready(self) -> None:
        end = time.monotonic() + DEADLINE_S  # noqa: TID251 - a test
        assert self.process is not None
        while time.monotonic() < end and self.process.poll() is None:  # noqa: TID251 - a test
            with entered(self.namespace("user1")), contextlib.suppress(ServerError):
                health = self.connection().ask("GET", "/v1/health")
                if all(health[name] == "ready" for name in self.awaited):
                    return
            time.sleep(0.1)
        raise AssertionError((self.folder / "log").read_text())

    def end(self) -> None:
        """End it as systemd does."""
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            assert self.process.wait(DEADLINE_S) == 0, (self.folder / "log").read_text()
            self.process = None

    @contextlib.contextmanager
    def for_a_test(self) -> Iterator[None]:
        """Give a test a server that runs and no session, whatever became of the test before."""
        if self.process is None or self.process.poll() is not None:
            self.start()
        self.await_ready()
        self.end_sessions()
        yield
        self.await_ready()
        self.end_sessions()

    def kill_captures(self) -> None:
        """Kill the capture service, and return when it is gone."""
        with os.fdopen(os.pidfd_open(self.capture_pid())) as process:
            signal.pidfd_send_signal(process.fileno(), signal.SIGKILL)
            assert select.select([process], [], [], DEADLINE_S)[0]

    def capture_pid(self) -> int:
        """Return the capture service's process."""
        assert self.process is not None
        text = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        (child,) = (int(pid) for pid in text.split() if b"\0capture\0" in _words(int(pid)))
        return child

    def connected(self, user: int, port: int, protocol: int = socket.IPPROTO_TCP) -> socket.socket:
        """Return a connection of a user to one of the server's services."""
        with entered(self.namespace(f"user{user}")):
            made = socket.socket(socket.AF_INET, socket.SOCK_STREAM, protocol)
        made.settimeout(DEADLINE_S)
        made.connect((SERVER, port))
        return made

    def exchange(
        self,
        user: int,
        first: str,
        letter: bytes,
        *,
        size: int = 200_000,
        protocol: int = socket.IPPROTO_TCP,
        proxy: bool = False,
        subflows: int = 1,
    ) -> bytes:
        """Say something, send letters, and return the letters that come back.

        A connection of Multipath TCP says its last ones when it has so many subflows: the kernel
        joins beside the exchange, and not at all when the exchange was faster.
        """
        place = (gateway(user), PROXY_PORT) if proxy else (SERVER, PORT)
        with entered(self.namespace(f"user{user}")):
            made = socket.socket(socket.AF_INET, socket.SOCK_STREAM, protocol)
        with made as connection:
            connection.settimeout(DEADLINE_S)
            connection.connect(place)
            connection.sendall(f"{first} {size}\n".encode())
            answer = bytearray()
            for sent in range(0, size, 10_000):
                if subflows > 1 and sent + 10_000 >= size:
                    joined = f"{subflows} subflows of {first}"
                    await_condition(lambda: established_count(connection) >= subflows, joined)
                connection.sendall(letter * 10_000)
                answer += connection.recv(65536)
            while len(answer) < size:
                more = connection.recv(65536)
                assert more
                answer += more
        return bytes(answer)


def _words(pid: int) -> bytes:
    with contextlib.suppress(OSError):  # it has just ended
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


@contextlib.contextmanager
def server_network(folder: Path, more: str = "", services: str = "") -> Iterator[ServerNetwork]:
    """Make all of it, and remove all of it.

    Args:
        folder: Where it keeps everything.
        more: Further sections of its configuration; the last one is ``[capture]``.
        services: Of the section of the application servers; empty: there are none.
    """
    stem = f"mptcpsrv-{os.getpid()}-{next(_numbers)}"
    awaited = ("capture", "services") if services else ("capture",)
    network = ServerNetwork(stem=stem, folder=folder, awaited=awaited)
    names = ("server", "middle", *(f"user{number}" for number in USERS))
    threads: list[threading.Thread] = []
    try:
        for name in names:
            ip("netns", "add", network.namespace(name))
        _wire(network)
        _configure(network, more, services)
        for name, serve in (("server", _service), ("middle", _proxy)):
            with entered(network.namespace(name)):
                listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, MPTCP)
            threads.append(threading.Thread(target=serve, args=(network, listening)))
            threads[-1].start()
        network.start()
        yield network
        network.end()
    finally:
        network.stop.set()
        if network.process is not None:
            network.process.kill()
            network.process.wait()
        for thread in threads:
            thread.join()
        for name in names:
            _remove(network.namespace(name))


def _remove(name: str) -> None:
    if not Path("/run/netns", name).exists():
        return
    listed = subprocess.run(["ip", "netns", "pids", name], capture_output=True, check=True)
    for process in listed.stdout.split():  # ours: nobody else enters these names
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(process), signal.SIGKILL)
    ip("netns", "del", name)


def _wire(network: ServerNetwork) -> None:
    middle, server = network.namespace("middle"), network.namespace("server")
    for namespace in (middle, server):
        ip("-n", namespace, "link", "set", "lo", "up")
    ip("-n", middle, "link", "add", "wan", "type", "veth", "peer", "name", "eth0", "netns", server)
    ip("-n", middle, "addr", "add", "10.9.0.1/24", "dev", "wan")
    ip("-n", server, "addr", "add", f"{SERVER}/24", "dev", "eth0")
    ip("-n", middle, "link", "set", "wan", "up")
    ip("-n", server, "link", "set", "eth0", "up")
    # A flood with addresses of its own making is answered into nothing.
    ip("-n", server, "route", "add", "default", "via", "10.9.0.1")
    for number in USERS:
        user, port = network.namespace(f"user{number}"), f"u{number}"
        ip("-n", middle, "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", user)
        ip("-n", middle, "addr", "add", f"{gateway(number)}/24", "dev", port)
        ip("-n", middle, "link", "set", port, "up")
        for host in (1, 2):
            ip("-n", user, "addr", "add", f"10.9.{number}.{host}/24", "dev", "eth0")
        ip("-n", user, "link", "set", "eth0", "up")
        ip("-n", user, "route", "add", "default", "via", gateway(number))
        ip("-n", user, "mptcp", "limits", "set", "subflow", "2", "add_addr_accepted", "0")
        ip("-n", user, "mptcp", "endpoint", "add", f"10.9.{number}.2", "subflow")
    ip("-n", server, "mptcp", "limits", "set", "subflow", "2", "add_addr_accepted", "0")
    with entered(middle):
        Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
    rules = """
        table ip nat {
            chain out {
                type nat hook postrouting priority srcnat
                oifname "wan" ip saddr { 10.9.1.0/24, 10.9.2.0/24 } masquerade random
            }
        }
    """
    subprocess.run(
        ["ip", "netns", "exec", middle, "nft", "-f", "-"], input=rules.encode(), check=True
    )


def _configure(network: ServerNetwork, more: str, services: str) -> None:
    folder = network.folder
    network.state.mkdir(exist_ok=True)
    made = subprocess.run(
        network.command("self-signed", "--name", SERVER, f"{folder}/c.pem", f"{folder}/p.pem"),
        check=True,
        capture_output=True,
    )
    network.fingerprint = made.stdout.decode().strip()
    subprocess.run(
        network.command("keygen", f"{folder}/k.pem"),
        check=True,
        capture_output=True,
    )
    (folder / "server.toml").write_text(
        f"""
        [server]
        id = "lab"
        state = "{network.state}"
        [api]
        listen = ["{SERVER}:{API_PORT}"]
        certificate = "{folder}/c.pem"
        private_key = "{folder}/p.pem"
        [tickets]
        signing_key = "{folder}/k.pem"
        [services]
        {services or 'run = "off"'}
        [metrics]
        listen = "127.0.0.1:9434"
        {more or "[capture]"}
        control = "{folder}/c.sock"
        ports = [{PORT}]
        """
    )


def _service(network: ServerNetwork, listening: socket.socket) -> None:
    """Send back what comes after a first line, as much as the line says."""
    _serve(network, listening, PORT, _echo)


def _proxy(network: ServerNetwork, listening: socket.socket) -> None:
    """Relay to the service, as a proxy that ends TCP and Multipath TCP does."""

    def relay(inside: socket.socket) -> None:
        with entered(network.namespace("middle")):
            made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        with made as outside:
            outside.connect((SERVER, PORT))
            pairs = {inside: outside, outside: inside}
            while not network.stop.is_set():
                for ready in select.select(list(pairs), [], [], 0.2)[0]:
                    octets = ready.recv(65536)
                    if not octets:
                        return
                    pairs[ready].sendall(octets)

    _serve(network, listening, PROXY_PORT, relay)


def _serve(network: ServerNetwork, listening: socket.socket, port: int, answer: Answer) -> None:
    with listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("", port))
        listening.listen(256)
        listening.settimeout(0.2)
        while not network.stop.is_set():
            try:
                connection, _ = listening.accept()
            except TimeoutError:
                continue
            threading.Thread(target=_one, args=(connection, answer), daemon=True).start()


def _one(connection: socket.socket, answer: Answer) -> None:
    with connection, contextlib.suppress(OSError):
        connection.settimeout(2 * DEADLINE_S)
        answer(connection)


def _echo(connection: socket.socket) -> None:
    with connection.makefile("rb") as lines:
        words = lines.readline(4096).split()
        left = int(words[-1]) if words else 0
        while left > 0:
            octets = lines.read1(65536)
            if not octets:
                return
            connection.sendall(octets)
            left -= len(octets)
