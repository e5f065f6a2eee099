"""What a server program needs to be one for many sessions at once, as a measurement server has it.

A session is known by its marker, a name that is a folder's, an account's and among the first words
of each connection.  What differs from a run's own server is little: who may log in changes while
the program runs, each session has folders of its own, and there are caps.

A session has two folders.  What is in the open one its user may read and write as he likes, by
whatever program.  Into the closed one only a program writes: repositories, mailboxes and zones are
there, since their formats can make a program do things.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mptcp_guest import messages
from mptcp_guest.serving.program import Place
from mptcp_guest.serving.shelf import Shelf

MARKER = "mpck-[a-z2-7]{26}"
"""A regular expression without groups."""

FILES, CLOSED = "files", "closed"
"""Both hold a folder per session, beside each other; in the closed one a name that begins with a
dot is a program's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """One session that may use the servers."""

    marker: str
    password: str = field(repr=False)
    password_hash: str = field(repr=False)
    """From `ftp.hashed`; made once, as it costs time."""
    ssh_client_key: str = ""
    """Public, as OpenSSH writes it; none: no ssh."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """What the servers prove themselves by, to everybody."""

    tls_certificate: str
    tls_key: str = field(repr=False)
    ssh_host_key: str = field(repr=False)
    """Private, as OpenSSH writes it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    """What all sessions together, and one upload, may take, and the servers' keys."""

    connections_count: int
    upload_bytes: int
    passive_ports: Sequence[int]
    """First and last."""
    keys: Keys


def everybody(_: Place, __: Sequence[Login]) -> None:
    """Do nothing: who knows a folder's name may use it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """How one kind of server is shared."""

    prepare: Callable[[Place, messages.ServiceWanted, Caps], list[str]]
    """Write what it reads, and return the command that runs it in the foreground."""
    admit: Callable[[Place, Sequence[Login]], None] = everybody
    """Say who may log in from now on; it may run meanwhile."""
    reload_signal: int = 0
    """By which it is told to read that again; 0 for one that looks by itself."""
    shelf: Shelf | None = None
    """Where it is not the one of a run's own server."""
    own_program: bool = False
    """It is one of ours, though a run's own server is a distribution's."""
    closed: bool = False
    """Its shelf is in the session's closed folder."""
    forget: Callable[[Path], None] | None = None
    """Remove what a session has in the program itself, told by the session's closed folder."""
    offer_bytes_max: int | None = None
    """Of one content, where a session's own cap is too much for it."""
    capabilities: frozenset[str] = frozenset()
    """Which it needs besides that for ports below 1024."""


def closed_beside(files: Path) -> Path:
    """Return the place of the closed folders, beside that of the open ones; PURE."""
    return files.parent / CLOSED


def owned(folder: Path) -> Path:
    """Make a program's own folder among the closed ones, if need be, and return it.

    Raises:
        OSError: It cannot be made.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def write_certificate(place: Place, keys: Keys) -> tuple[Path, Path]:
    """Write certificate and key into a program's directory, and return where they are.

    Raises:
        OSError: There is no room.
    """
    certificate = place.written("certificate.pem", keys.tls_certificate)
    return certificate, place.written("key.pem", keys.tls_key, secret=True)


def replaced(place: Place, name: str, text: str) -> Path:
    """Write a secret file that a program reads at any time: it finds the old or the new one.

    Raises:
        OSError: There is no room.
    """
    fresh = place.written(f"{name}.new", text, secret=True)
    return fresh.replace(place.directory / name)
