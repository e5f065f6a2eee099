"""What the sessions ask of whoever runs the application servers, in whatever process."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from mptcp_guest.messages import Content


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What one session has at the services."""

    user: str
    """The session's marker: what its connections say first."""
    password: str = field(repr=False)
    until_ns: int
    """When it vanishes by itself, time of day."""
    ssh_client_key: str = ""
    """Public, as OpenSSH writes it: who logs in by ssh; none: nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileDigest:
    """What a file holds."""

    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramState:
    """One server program, on one address and port."""

    service: str
    transport: str
    """``mptcp`` answers plain TCP as well; ``tcp`` does not speak Multipath TCP."""
    address: str
    port: int
    alive: bool
    """Whether it listens."""
    restarts_count: int
    """How often it ended by itself and was started again, since the services began."""
    restarted_ns: int | None
    """When last."""
    because: str
    """How it ended last, a few words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServicesState:
    """All programs, and on what they run."""

    kernel: str
    machine: str
    tools: Mapping[str, str]
    programs: tuple[ProgramState, ...]
    tls_certificate: str = ""
    """PEM: what all of them show."""
    ssh_host_key: str = ""
    """Public, without a host's name."""

    def document(self) -> dict[str, Any]:
        """Return it as JSON holds it."""
        return {**asdict(self), "tools": dict(self.tools)}


def state_from(document: Mapping[str, Any]) -> ServicesState:
    """Return what `ServicesState.document` made.

    Raises:
        KeyError: A member is missing.
        TypeError: A member is of another kind.
    """
    programs: Sequence[Mapping[str, Any]] = document["programs"]
    return ServicesState(
        kernel=document["kernel"],
        machine=document["machine"],
        tools=dict(document["tools"]),
        programs=tuple(ProgramState(**one) for one in programs),
        tls_certificate=document["tls_certificate"],
        ssh_host_key=document["ssh_host_key"],
    )


class ServiceHost(Protocol):
    """Every method may raise `ProblemError`: ``services-unavailable``, ``disk-full``."""

    def available(self) -> bool:
        """Say whether the services answer."""

    def state(self) -> ServicesState:
        """Return how the programs are."""

    def open(self, marker: str, *, until_ns: int, ssh_client_key: str = "") -> Account:
        """Make a session's folder and account, or return the account that it has.

        A key that is given takes the place of the former one.
        """

    def offer(self, marker: str, service: str, name: str, content: Content) -> FileDigest:
        """Make a content ready that the session can fetch from a service."""

    def received(self, marker: str, service: str, name: str) -> FileDigest | None:
        """Return what the session sent to a service under a name, or none."""

    def discard(self, marker: str, service: str, name: str) -> None:
        """Remove what a service has under a name."""

    def close(self, marker: str) -> None:
        """Remove a session's folder and account; none is none."""
