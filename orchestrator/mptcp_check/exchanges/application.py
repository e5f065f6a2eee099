"""What an application is to a check: what the client runs, and who opens how many connections."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from mptcp_check.model import Exchange

ServiceName = Literal["http", "ftp"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where an exchange goes: known only when the run is."""

    address: str
    """Of the server, without brackets."""
    file: str
    """Name of the file that is offered or uploaded; the exchange's own."""
    user: str
    password: str

    @property
    def host(self) -> str:
        """The address as it stands in a URL (RFC 3986, section 3.2.2)."""
        return f"[{self.address}]" if ":" in self.address else self.address


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """Who opens the connections of one exchange; each end's counters tell only of its own."""

    by_client: int
    by_server: int = 0
    """Active ftp: the server opens the data connection, so there the server is the MPTCP client."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """One application of the check."""

    name: str
    service: ServiceName
    """The server program that it needs."""
    port: int
    opened: Mapping[str | None, Opened]
    """Per mode, in the order in which the modes are planned; none where there are no modes."""
    commands: Callable[[Exchange, Target], tuple[tuple[str, ...], ...]]
    """What the client runs, one after the other, in a directory of its own."""

    @property
    def modes(self) -> tuple[str | None, ...]:
        """The modes in the order in which they are planned."""
        return tuple(self.opened)
