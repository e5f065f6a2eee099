"""Two sessions at one public server, and what a client says to its programs for one of them."""

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from mptcp_check.exchanges import credentials
from mptcp_check.machines.namespace import entered
from mptcp_check.server.services.shared_programs import SHARED
from mptcp_check.session_client.remote_session import RemoteSession
from mptcp_check.session_client.services import Services
from mptcp_guest.messages import Content
from system.public_server import PublicServer
from system.real_site import SERVER, Site

LIMIT_S = 120


@dataclass
class User:
    """A session with its account."""

    session: RemoteSession
    services: Services

    @property
    def marker(self) -> str:
        return self.session.marker

    @property
    def password(self) -> str:
        return self.services.password


KEYS = {name: credentials.make("") for name in ("alice", "bob")}


@contextmanager
def two_sessions(place: Site, server: PublicServer) -> Iterator[tuple[User, User]]:
    """Have two sessions; the second has a content at every service."""
    with entered(place.name("laptop")):
        made = []
        for name, (_, own) in KEYS.items():
            session = RemoteSession.create(server.connection(), f"run-of-{name}-01")
            services = session.open_services(ssh_client_key=own.ssh_client_key)
            made.append(User(session, services))
        for service in SHARED:
            made[1].session.offer(service, "x1", Content(seed="bobs", bytes=200, form="lines"))
    yield made[0], made[1]
    with entered(place.name("laptop")):
        for user in made:
            user.session.delete()


@contextmanager
def connected(place: Site, port: int) -> Iterator[socket.socket]:
    with entered(place.name("laptop")):
        made = socket.create_connection((SERVER, port), timeout=LIMIT_S)
    with made:
        yield made


def told(place: Site, port: int, *lines: str, end: bytes = b"") -> str:
    """Say lines and return all that comes until the end, or until some bytes."""
    with connected(place, port) as line:
        line.sendall("".join(f"{one}\r\n" for one in lines).encode())
        said = b""
        while not (end and end in said):
            came = line.recv(65536)
            if not came:
                break
            said += came
    return said.decode(errors="replace")


def received(place: Site, user: User, service: str, name: str = "x1") -> object:
    with entered(place.name("laptop")):
        return user.session.received(service, name)


def client(place: Site, *words: str, given: str = "", **environment: str) -> tuple[int, str]:
    """Run a client at the laptop; return its exit code and all that it said."""
    done = subprocess.run(
        ["ip", "netns", "exec", place.name("laptop"), *words],
        input=given.encode(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=LIMIT_S,
        env={**place.environment(), **environment},
        check=False,
    )
    return done.returncode, done.stdout.decode(errors="replace")
