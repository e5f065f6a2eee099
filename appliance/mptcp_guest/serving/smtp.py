"""exim as the measurement's smtp server: it takes mail for one domain of nobody's, and keeps it.

exim has no router and no transport here, so it can deliver nothing to anybody: it is no relay,
whatever it is told.  What it accepted lies in its queue, on disk before the client hears 250, and
there it is looked at.  postfix brings ICU (36 MB), opensmtpd one queue and one control socket for
the whole machine, so that two of it cannot run side by side.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

from mptcp_guest import mail, messages, payload
from mptcp_guest.messages import Digest
from mptcp_guest.serving.program import Place, Program
from mptcp_guest.serving.shelf import FILES, Shelf

OWNER = "Debian-exim"
"""Whom exim becomes once it listens; Debian's package makes the user."""

SIZE_MAX = "64M"
ROOM = "64M"
"""Less is free: no mail is taken, and the machine's memory stays what it is for."""


def command(directory: Path) -> list[str]:
    """Return how exim is started in the foreground; PURE."""
    return ["exim4", "-bdf", "-C", str(directory / "exim.conf")]


def configuration(directory: Path, spool: Path, wanted: messages.ServiceWanted) -> str:
    """Return exim's configuration; PURE.

    Args:
        directory: Its own, with certificate and key, and for its log.
        spool: Of what it accepted.
        wanted: Where it listens.
    """
    return f"""\
primary_hostname = {mail.USER_DOMAIN}
domainlist accepted_domains = {mail.USER_DOMAIN}
spool_directory = {spool}
log_file_path = {directory}/%slog
pid_file_path = {directory}/exim.pid
# colons are doubled in exim's lists
local_interfaces = <; [{wanted["address"]}]:{wanted["port"]}
daemon_smtp_ports = {wanted["port"]}
disable_ipv6 = {"false" if ":" in wanted["address"] else "true"}
tls_advertise_hosts = *
tls_certificate = {directory}/certificate.pem
tls_privatekey = {directory}/key.pem
acl_smtp_rcpt = to_us
queue_only
message_size_limit = {SIZE_MAX}
check_spool_space = {ROOM}
smtp_accept_max = 64
host_lookup =
rfc1413_hosts =
rfc1413_query_timeout = 0s
smtp_accept_keepalive = false
smtp_enforce_sync = true
keep_environment =
trusted_users =
never_users = root
begin acl
to_us:
  accept domains = +accepted_domains
  deny message = no relay
"""


def _prepare(
    place: Place, wanted: messages.ServiceWanted, arguments: messages.ServicesStartArguments
) -> list[str]:
    spool = place.files / "smtp" / place.directory.name
    shutil.rmtree(spool, ignore_errors=True)
    spool.mkdir(parents=True)
    shutil.chown(spool, OWNER, OWNER)
    shutil.chown(place.directory, OWNER, OWNER)
    place.written("certificate.pem", arguments["tls_certificate"])
    shutil.chown(place.written("key.pem", arguments["tls_key"], secret=True), OWNER, OWNER)
    text = configuration(place.directory, spool, wanted)
    place.written("exim.conf", text)
    return command(place.directory)


def queued(files: Path, name: str) -> Iterator[Path]:
    """Give the bodies of all accepted mails to a name; exim has them as ``input/ID-D``."""
    to_whom = f"\n{name}@{mail.USER_DOMAIN}\n".encode()
    for head in (files / "smtp").glob("*/input/*-H"):
        if to_whom in head.read_bytes():
            yield head.with_name(head.name[:-1] + "D")


def _received(files: Path, name: str) -> Digest | None:
    for path in queued(files, name):
        # the file begins with a line of its own name
        _, _, body = path.read_bytes().partition(b"\n")
        return payload.digest_of(mail.crlf(body))
    return None


def _discard(files: Path, name: str) -> None:
    for body in queued(files, name):
        for path in (body.with_name(body.name[:-1] + "H"), body):
            path.unlink(missing_ok=True)
    FILES.discard(files, name)


PROGRAM = Program(
    name="smtp",
    tool="exim4",
    package="exim4-daemon-light",
    prepare=_prepare,
    shelf=Shelf(offer=FILES.offer, received=_received, discard=_discard),
)
