"""What an application is to a check: what the client runs, and who opens how many connections."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from mptcp_check.exchanges.credentials import SERVER_NAME, Credentials
from mptcp_check.model import Exchange, Family, Transfer
from mptcp_guest.messages import ContentForm


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where an exchange goes: known only when the run is."""

    address: str
    """Of the server, without brackets."""
    file: str
    """Name of the file that is offered or uploaded; the exchange's own."""
    credentials: Credentials

    @property
    def host(self) -> str:
        """The address as it stands in a URL (RFC 3986, section 3.2.2)."""
        return f"[{self.address}]" if ":" in self.address else self.address

    @property
    def server_name(self) -> str:
        """What the client calls the server inside TLS: at a shared one it says whose it is."""
        folder = self.credentials.folder
        return f"{folder}.{SERVER_NAME}" if folder else SERVER_NAME

    @property
    def name(self) -> str:
        """The file's name among those of all users of the server."""
        folder = self.credentials.folder
        return f"{folder}.{self.file}" if folder else self.file

    @property
    def root(self) -> str:
        """What stands before every path of a URL; empty where the server is nobody else's."""
        return f"/{self.credentials.folder}" if self.credentials.folder else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """Who opens the connections of one exchange; each end's counters tell only of its own."""

    by_client: int
    by_server: int = 0
    """Active ftp: the server opens the data connection, so there the server is the MPTCP client."""


ONE = Opened(by_client=1)
"""What nearly every client does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mode:
    """One way in which an application is used."""

    opened: Opened = ONE
    transfers: tuple[Transfer, ...] = tuple(Transfer)
    """Which ways its payload can go."""
    families: tuple[Family, ...] = tuple(Family)
    """In which it exists."""
    payload_bytes_max: int | None = None
    """The most that it is made for; none where any size will do."""
    words: str = ""
    """For people: what is special about it."""
    special: bool = False
    """Another form of the same, which few boxes tell apart: tried where everything is."""


USUAL: Mapping[str | None, Mode] = {None: Mode()}
"""Of an application that is used in one way."""

Commands = Callable[[Exchange, Target], tuple[tuple[str, ...], ...]]
"""What the client runs, one after the other, in a directory of its own; what came is left in
`ARRIVED_FILE`.  `mptcp_guest.own_program.WORD` begins a program of the guest's own."""


def no_files(_: Target) -> Mapping[str, str]:
    """Return no files: what most clients need."""
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """One application of the check."""

    name: str
    title: str
    """For people, as it begins a line."""
    service: str
    """The server program that it needs: a name of `mptcp_guest.serving.PROGRAMS`."""
    ports: tuple[int, ...]
    """The usual one first; boxes treat ports differently, so some are tried on several."""
    commands: Commands
    modes: Mapping[str | None, Mode] = field(default_factory=lambda: USUAL)
    """In the order in which they are planned, the usual one last; none is the name of a plain one,
    which needs no other."""
    files: Callable[[Target], Mapping[str, str]] = no_files
    """Small texts in the client's directory: keys and certificates."""
    tools: tuple[str, ...] = ("curl",)
    """The executables that the client's machine must have."""
    form: ContentForm = "bytes"
    """Of its payload."""
    signs: Mapping[str, str] = field(default_factory=dict[str, str])
    """What the client says when somebody in between plays the server, and what that means."""
    comes_back: bool = False
    """What is sent comes back to the client by the server, and is compared there."""

    @property
    def port(self) -> int:
        """The usual port."""
        return self.ports[0]
