"""The same servers for many sessions at once, as a measurement server has them.

A session is known by its marker, a name that is a folder's, an account's and the first word of
each connection.  What differs from a run's own server is little: who may log in changes while the
program runs, each session has a folder of its own, and there are caps.
"""

import os
import pwd
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from mptcp_guest import messages
from mptcp_guest.serving import ftp, http
from mptcp_guest.serving.program import Place

MARKER = "mpck-[a-z2-7]{26}"
"""A regular expression without groups."""

USERS = "users"


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """One session that may use the servers."""

    marker: str
    password_hash: str
    """From `ftp.hashed`; made once, as it costs time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    """What all sessions together, and one upload, may take."""

    connections_count: int
    upload_bytes: int
    passive_ports: Sequence[int]
    """First and last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """How one kind of server is shared."""

    prepare: Callable[[Place, messages.ServiceWanted, Caps], list[str]]
    """Write what it reads, and return the command that runs it in the foreground."""
    admit: Callable[[Place, Sequence[Login]], None]
    """Say who may log in from now on; it may run meanwhile."""


def _http(place: Place, wanted: messages.ServiceWanted, caps: Caps) -> list[str]:
    text = http.configuration(
        place.directory,
        place.files,
        [http.Listening(address=wanted["address"], port=wanted["port"])],
        sharing=http.Sharing(
            marker=MARKER,
            connections_count=caps.connections_count,
            upload_bytes=caps.upload_bytes,
        ),
    )
    place.written("nginx.conf", text)
    return http.command(place.directory)


def _ftp(place: Place, wanted: messages.ServiceWanted, caps: Caps) -> list[str]:
    _admit_to_ftp(place, ())
    return [
        *ftp.command(
            place.directory,
            address=wanted["address"],
            port=wanted["port"],
            passive_ports=caps.passive_ports,
            clients_count=caps.connections_count,
        ),
        # what a session may not do to the folders that bound it
        *("--nochmod", "--norename", "--prohibitdotfileswrite"),
    ]


def _admit_to_ftp(place: Place, logins: Sequence[Login]) -> None:
    owner = pwd.getpwuid(os.geteuid())
    lines = [
        ftp.account_line(
            login.marker,
            login.password_hash,
            uid=owner.pw_uid,
            gid=owner.pw_gid,
            home=place.files / login.marker,
        )
        for login in logins
    ]
    place.written(USERS, "".join(lines), secret=True)
    # it makes a new file and renames it: who logs in meanwhile finds the old one or the new one
    place.lab.succeed(ftp.users_command(place.directory), place.until)


def _admit_anybody(_: Place, __: Sequence[Login]) -> None:
    """Do nothing: who knows a folder's name may use it."""


SHARED: Mapping[str, Shared] = {
    http.PROGRAM.name: Shared(prepare=_http, admit=_admit_anybody),
    ftp.PROGRAM.name: Shared(prepare=_ftp, admit=_admit_to_ftp),
}
"""By service; the others belong to one run only."""
