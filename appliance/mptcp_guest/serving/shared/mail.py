"""dovecot and the mail server for many sessions.

A login is a session's marker; for pop3, where a user has one mailbox, ``MARKER@NAME``.  Who is let
in is a file per session, which dovecot opens when somebody says that name.
"""

import grp
import os
import pwd
from collections.abc import Mapping, Sequence
from functools import partial

from mptcp_guest import messages, own_program
from mptcp_guest.serving import mailbox, smtp
from mptcp_guest.serving.program import Place
from mptcp_guest.serving.sharing import (
    Caps,
    Login,
    Shared,
    closed_beside,
    owned,
    replaced,
    write_certificate,
)

PASSWORDS = "passwords"
PROCESSES_COUNT = 256
"""Of one dovecot, whatever the number of connections that a server takes."""


def dovecot(
    protocol: str,
    place: Place,
    wanted: messages.ServiceWanted,
    *,
    user: str,
    group: str,
    connections_count: int,
) -> str:
    """Return dovecot's configuration; PURE.

    It is not started by root (https://doc.dovecot.org/2.3/configuration_manual/howto/rootless/), so
    no process changes its user or root directory.
    """
    inside_tls = wanted["service"].endswith("s")
    directory, closed = place.directory, closed_beside(place.files)
    box = f"{closed}/%n/imap" if protocol == "imap" else f"{closed}/%n/pop3/%d"
    count = min(connections_count, PROCESSES_COUNT)
    return f"""\
{mailbox.common(protocol, directory, box, wanted, inside_tls=inside_tls)}\
log_path = /dev/stderr
# each login is a line, and nobody reads them
info_log_path = /dev/null
# below that a line names a user and an address
auth_verbose = no
login_log_format_elements =
mail_log_prefix = "mail: "
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
default_client_limit = {4 * count}
default_process_limit = {count}
mail_max_userip_connections = 8
first_valid_gid = 1
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
# one process for all who have not logged in, and for all passwords
service {protocol}-login {{
  chroot =
  service_count = 0
  process_min_avail = 1
  process_limit = 1
  client_limit = {4 * count}
}}
service {protocol} {{
  process_limit = {count}
  vsz_limit = 256 M
}}
passdb {{
  driver = passwd-file
  # the name of the file is the login's first part; who is not there has none
  args = username_format=%n {directory}/{PASSWORDS}/%Ln
}}
userdb {{
  driver = static
  args = uid={user} gid={group} home={directory}
}}
"""


def _prepare(protocol: str, place: Place, wanted: messages.ServiceWanted, caps: Caps) -> list[str]:
    owner = pwd.getpwuid(os.geteuid())
    write_certificate(place, caps.keys)
    owned(place.directory / PASSWORDS)
    text = dovecot(
        protocol,
        place,
        wanted,
        user=owner.pw_name,
        group=grp.getgrgid(owner.pw_gid).gr_name,
        connections_count=caps.connections_count,
    )
    place.written("dovecot.conf", text)
    return mailbox.command(place.directory)


def _admit(place: Place, logins: Sequence[Login]) -> None:
    folder = place.directory / PASSWORDS
    known = {login.marker for login in logins}
    there = {path.name for path in folder.iterdir()}
    for gone in there - known:
        (folder / gone).unlink()
    for login in logins:
        if login.marker not in there:
            line = f"{login.marker}:{{SHA512-CRYPT}}{login.password_hash}::::::\n"
            replaced(place, f"{PASSWORDS}/{login.marker}", line)


def _smtp(place: Place, wanted: messages.ServiceWanted, caps: Caps) -> list[str]:
    certificate, key = write_certificate(place, caps.keys)
    where = (wanted["address"], str(wanted["port"]), str(place.files))
    return own_program.command(
        "servers.smtp",
        *(*where, "", str(certificate), str(key), str(caps.connections_count)),
        python=own_program.DEBIAN_PYTHON,
    )


def _mailboxes(protocol: str) -> Shared:
    return Shared(prepare=partial(_prepare, protocol), admit=_admit, closed=True)


SHARED: Mapping[str, Shared] = {
    mailbox.IMAP.name: _mailboxes("imap"),
    mailbox.IMAPS.name: _mailboxes("imap"),
    mailbox.POP3.name: _mailboxes("pop3"),
    mailbox.POP3S.name: _mailboxes("pop3"),
    # a recipient is a session's file
    smtp.PROGRAM.name: Shared(prepare=_smtp),
}
