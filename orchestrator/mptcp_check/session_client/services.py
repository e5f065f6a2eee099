"""The application servers of a session, as the server tells of them; PURE."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any

from cryptography import x509

from mptcp_check.errors import ServerError
from mptcp_check.session_client.server_list import KnownServer
from mptcp_guest.messages import Digest

_WORD = re.compile(r"[A-Za-z0-9._-]{1,64}")
_LAST_PORT = 65_535
_CERTIFICATE = re.compile(
    r"(-----BEGIN CERTIFICATE-----\n([A-Za-z0-9+/=]{1,80}\n){1,100}-----END CERTIFICATE-----\n)?"
)
_SSH_KEY = re.compile(r"(ssh-ed25519 [A-Za-z0-9+/=]{1,180})?")

VERSIONS = (4, 6)
"""Of IP, where a server does not say at which its programs listen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """One application server."""

    service: str
    transport: str
    """``mptcp`` answers plain TCP as well."""
    port: int
    alive: bool
    restarts_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """All of them, and the session's account there."""

    user: str
    password: str = field(repr=False)
    folder: str
    addresses: tuple[str, ...]
    """Empty: where the interface is."""
    families: tuple[int, ...]
    """Versions of IP at which they listen."""
    kernel: str
    machine: str
    tools: Mapping[str, str]
    passive_ports: tuple[int, int]
    tls_certificate: str
    """PEM; empty of a server that is too old to have TLS."""
    ssh_host_key: str
    """Public, without a host's name; empty likewise."""
    programs: tuple[Program, ...]

    def ports(self, service: str, transport: str) -> tuple[int, ...]:
        """Return where a service runs, in the server's order."""
        return tuple(
            p.port
            for p in self.programs
            if (p.service, p.transport) == (service, transport) and p.alive
        )

    def down(self, service: str) -> Program | None:
        """Return a program of a service that the server has, where none of them runs."""
        own = [p for p in self.programs if p.service == service]
        return own[0] if own and not any(p.alive for p in own) else None


def read(server: KnownServer, document: Mapping[str, Any]) -> Services:
    """Return what a server answered.

    Nothing of it is taken as it is: what is a name, an address or a port there must be one.

    Raises:
        ServerError: It does not fit.
    """
    try:
        first, last = document["passive_ports"]
        return Services(
            user=_word(document["user"]),
            password=_word(document["password"]),
            folder=_word(document["folder"]),
            addresses=tuple(str(ip_address(text)) for text in document["addresses"]),
            families=tuple(map(_version, document.get("families", VERSIONS))),
            kernel=_line(document["kernel"]),
            machine=_line(document["machine"]),
            tools={_line(k): _line(v) for k, v in document["tools"].items()},
            passive_ports=(_port(first), _port(last)),
            tls_certificate=_certificate(document.get("tls_certificate", "")),
            ssh_host_key=_matching(_SSH_KEY, document.get("ssh_host_key", "")),
            programs=tuple(
                Program(
                    service=_word(one["service"]),
                    transport=_word(one["transport"]),
                    port=_port(one["port"]),
                    alive=one["alive"] is True,
                    restarts_count=int(one["restarts_count"]),
                )
                for one in document["programs"]
            ),
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        raise _strange(server) from None


def digest(server: KnownServer, document: object) -> Digest:
    """Return what a server says that a file holds.

    Raises:
        ServerError: That is none.
    """
    if not isinstance(document, Mapping):
        raise _strange(server)
    size_bytes, said = document.get("bytes"), document.get("sha256")
    if type(size_bytes) is not int or not isinstance(said, str):
        raise _strange(server)
    return Digest(bytes=size_bytes, sha256=said)


def _strange(server: KnownServer) -> ServerError:
    return ServerError(
        f"{server.url} tells of its services in a way that this version does not understand",
        hint="one of the two is too old",
    )


def _version(value: object) -> int:
    if type(value) is not int or value not in VERSIONS:
        raise ValueError("no version of IP")
    return value


def _word(value: object) -> str:
    if not isinstance(value, str) or not _WORD.fullmatch(value):
        raise ValueError("no word")
    return value


def _matching(pattern: re.Pattern[str], value: object) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise ValueError("no key")
    return value


def _certificate(value: object) -> str:
    text = _matching(_CERTIFICATE, value)
    if text:
        x509.load_pem_x509_certificate(text.encode())
    return text


def _line(value: object) -> str:
    """Return a text for people: one line of printable characters."""
    if not isinstance(value, str):
        raise TypeError("no text")
    return "".join(c for c in value if c.isprintable())[:200]


def _port(value: object) -> int:
    if type(value) is not int or not 0 < value <= _LAST_PORT:
        raise ValueError("no port")
    return value
