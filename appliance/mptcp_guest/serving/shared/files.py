"""pure-ftpd and rsync for many sessions: an account each, which opens one folder."""

import os
import pwd
from collections.abc import Mapping, Sequence
from pathlib import Path

from mptcp_guest import messages
from mptcp_guest.serving import ftp, rsync
from mptcp_guest.serving.program import Place
from mptcp_guest.serving.sharing import Caps, Login, Shared, replaced

USERS = "users"
MODULES, HEAD = "rsyncd.conf", "caps.inc"


def _ftp(place: Place, wanted: messages.ServiceWanted, caps: Caps) -> list[str]:
    place.written(ftp.CERTIFICATE, caps.keys.tls_certificate + caps.keys.tls_key, secret=True)
    _admit_to_ftp(place, ())
    return [
        *ftp.command(
            place.directory,
            address=wanted["address"],
            port=wanted["port"],
            passive_ports=caps.passive_ports,
            clients_count=caps.connections_count,
            tls=True,
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


def _rsync(place: Place, wanted: messages.ServiceWanted, caps: Caps) -> list[str]:
    place.written(HEAD, f"max connections = {caps.connections_count}\n")
    _admit_to_rsync(place, ())
    return [
        *("rsync", "--daemon", "--no-detach", f"--config={place.directory / MODULES}"),
        *(f"--address={wanted['address']}", f"--port={wanted['port']}"),
    ]


def modules(directory: Path, files: Path, markers: Sequence[str]) -> str:
    """Return rsyncd.conf, which the daemon reads for each connection; PURE.

    A session has two modules, named by its marker: one to read from, one to write to.  Nothing that
    is written can be run or leads elsewhere: no special files, and links are made harmless.
    """
    head = f"""\
&merge {directory}/{HEAD}
use chroot = yes
list = no
lock file = {directory}/lock
timeout = {rsync.TIMEOUT_S}
reverse lookup = no
secrets file = {directory}/secrets
munge symlinks = yes
numeric ids = yes
# a log would name users
log file = /dev/null
syslog facility = local7
"""
    return head + "".join(
        f"""\
[{marker}-down]
path = {files}/{marker}/down
auth users = {marker}
read only = yes
[{marker}-up]
path = {files}/{marker}/up
auth users = {marker}
write only = yes
read only = no
incoming chmod = D0700,F0600
refuse options = delete links devices specials hard-links
"""
        for marker in markers
    )


def _admit_to_rsync(place: Place, logins: Sequence[Login]) -> None:
    # first who has a password, then what it opens
    secrets = "".join(f"{login.marker}:{login.password}\n" for login in logins)
    replaced(place, "secrets", secrets)
    markers = [login.marker for login in logins]
    replaced(place, MODULES, modules(place.directory, place.files, markers))


_FTP_NEEDS = frozenset({"sys_chroot", "setgid", "setuid"})

SHARED: Mapping[str, Shared] = {
    ftp.PROGRAM.name: Shared(prepare=_ftp, admit=_admit_to_ftp, capabilities=_FTP_NEEDS),
    rsync.PROGRAM.name: Shared(
        prepare=_rsync, admit=_admit_to_rsync, capabilities=frozenset({"sys_chroot"})
    ),
}
