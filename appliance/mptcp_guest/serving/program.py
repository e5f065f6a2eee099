"""What a server program is to the lab: how it is started, what it hands out and takes in."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mptcp_guest import messages
from mptcp_guest.lab import Lab
from mptcp_guest.serving.shelf import FILES, Shelf
from mptcp_guest.waiting import Deadline

USER = "www-data"
"""Whose the files are: Debian's own user for servers, in every installation (base-passwd)."""


AS_USER = ("setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "--no-new-privs")
"""Before the command of a server that does not change its user itself (util-linux)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where one server program works."""

    lab: Lab
    directory: Path
    """Its own: configuration, process id, log."""
    files: Path
    """What all of them hand out (`down`) and take in (`up`)."""
    until: Deadline

    def written(self, name: str, text: str, *, secret: bool = False) -> Path:
        """Write a configuration file of its own and return where it is."""
        path = self.directory / name
        path.touch(mode=0o600 if secret else 0o644)
        path.write_text(text)
        return path


Prepare = Callable[
    [Place, messages.ServiceWanted, messages.ServicesStartArguments],
    list[str],
]
"""Write what a program reads, and return the command that runs it in the foreground."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Together:
    """A server that can be several services at once, as far as they have one transport."""

    name: str
    prepare: Callable[
        [Place, Sequence[messages.ServiceWanted], messages.ServicesStartArguments], list[str]
    ]
    """As `Program.prepare`, for all of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """One kind of server."""

    name: str
    """Of the service, as `messages.ServiceWanted` has it."""
    tool: str
    """The executable that the machine must have; empty for one of this package's own."""
    package: str
    """Debian's, that brings it; empty likewise."""
    prepare: Prepare
    shelf: Shelf = FILES
    together: Together | None = None
    """With which others it can be one process; none is a process for each."""


def socket_address(address: str, port: int) -> str:
    """Return ``ADDRESS:PORT``, an IPv6 address in brackets; PURE."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
