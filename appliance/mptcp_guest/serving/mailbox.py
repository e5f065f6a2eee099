"""dovecot as the measurement's imap and pop3 servers, at the usual ports and inside TLS.

For pop3, where a user has one mailbox, each name is a user; for imap each name is a folder of one
user.  Whoever knows the run's password is let in.  Mails lie as files (Maildir), as they were sent.
"""

import os
import shutil
from pathlib import Path

from mptcp_guest import mail, messages, payload
from mptcp_guest.messages import Content, Digest
from mptcp_guest.serving.program import USER, Place, Prepare, Program
from mptcp_guest.serving.shelf import Shelf

PACKAGES = {"imap": "dovecot-imapd", "pop3": "dovecot-pop3d"}
FOLDERS = {"imap": "imap/.{}", "pop3": "pop3/{}"}
"""Where the mails of a name are, in the common folder: Maildir++ begins a folder with a dot."""


def command(directory: Path) -> list[str]:
    """Return how dovecot is started in the foreground; PURE."""
    return ["dovecot", "-F", "-c", str(directory / "dovecot.conf")]


def common(
    protocol: str, directory: Path, box: str, wanted: messages.ServiceWanted, *, inside_tls: bool
) -> str:
    """Return what of dovecot's configuration does not depend on who may log in; PURE.

    Args:
        protocol: ``imap`` or ``pop3``.
        directory: Its own, for sockets and state; certificate and key are there.
        box: Where mail is, with dovecot's own variables.
        wanted: Where it listens.
        inside_tls: TLS from the first byte; else STARTTLS is offered.
    """
    port, nobody = wanted["port"], 0
    plain, tls = (nobody, port) if inside_tls else (port, nobody)
    return f"""\
base_dir = {directory}/run
state_dir = {directory}/state
instance_name = {directory.name}
protocols = {protocol}
listen = {wanted["address"]}
ssl = yes
ssl_cert = <{directory}/certificate.pem
ssl_key = <{directory}/key.pem
disable_plaintext_auth = no
auth_mechanisms = plain login
mail_location = maildir:{box}:INDEX=MEMORY
# what was sent, byte for byte
mail_save_crlf = yes
first_valid_uid = 1
service {protocol}-login {{
  inet_listener {protocol} {{
    port = {plain}
  }}
  inet_listener {protocol}s {{
    port = {tls}
    ssl = yes
  }}
}}
namespace inbox {{
  inbox = yes
}}
"""


def configuration(
    protocol: str,
    directory: Path,
    files: Path,
    wanted: messages.ServiceWanted,
    *,
    inside_tls: bool,
    password: str,
) -> str:
    """Return dovecot's configuration for one run; PURE.

    Args:
        protocol: As `common` has it, and what follows too.
        directory: Its own.
        files: Where mail is.
        wanted: Where it listens.
        inside_tls: TLS from the first byte.
        password: Of everybody.
    """
    box = f"{files}/imap" if protocol == "imap" else f"{files}/pop3/%u"
    return f"""\
{common(protocol, directory, box, wanted, inside_tls=inside_tls)}\
log_path = {directory}/error.log
mail_uid = {USER}
mail_gid = {USER}
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={USER} gid={USER} home={directory}
}}
"""


def _preparing(protocol: str, *, inside_tls: bool) -> Prepare:
    def prepare(
        place: Place, wanted: messages.ServiceWanted, arguments: messages.ServicesStartArguments
    ) -> list[str]:
        for name in ("imap", "pop3"):
            (place.files / name).mkdir(exist_ok=True)
            shutil.chown(place.files / name, USER, USER)
        place.written("certificate.pem", arguments["tls_certificate"])
        place.written("key.pem", arguments["tls_key"], secret=True)
        text = configuration(
            protocol,
            place.directory,
            place.files,
            wanted,
            inside_tls=inside_tls,
            password=arguments["password"],
        )
        place.written("dovecot.conf", text, secret=True)
        return command(place.directory)

    return prepare


def _give(path: Path) -> None:
    """Let dovecot have a file: it runs as `USER` where root makes this, else as who makes this."""
    if os.geteuid() == 0:
        shutil.chown(path, USER, USER)


def shelf(protocol: str) -> Shelf:
    """Return where the mails of a protocol are."""

    def folder(files: Path, name: str) -> Path:
        return files / FOLDERS[protocol].format(name)

    def offer(files: Path, name: str, content: Content) -> Digest:
        box = folder(files, name)
        for part in (box, *(box / sub for sub in ("cur", "new", "tmp"))):
            part.mkdir(parents=True, exist_ok=True)
            _give(part)
        path = box / "new" / "1.offered"
        with path.open("wb") as file:
            file.write(mail.header(name))
            file.writelines(payload.blocks(content))
        _give(path)
        return payload.digest(content)

    def received(files: Path, name: str) -> Digest | None:
        for sub in ("cur", "new"):
            for entry in sorted((folder(files, name) / sub).glob("*")):
                return payload.digest_of(mail.body(entry.read_bytes()))
        return None

    def discard(files: Path, name: str) -> None:
        shutil.rmtree(folder(files, name), ignore_errors=True)

    return Shelf(offer=offer, received=received, discard=discard)


def _program(protocol: str, *, inside_tls: bool) -> Program:
    return Program(
        name=f"{protocol}s" if inside_tls else protocol,
        # each protocol is a package of its own, the server itself is another one
        tool=f"/usr/lib/dovecot/{protocol}",
        package=PACKAGES[protocol],
        prepare=_preparing(protocol, inside_tls=inside_tls),
        shelf=shelf(protocol),
    )


IMAP = _program("imap", inside_tls=False)
IMAPS = _program("imap", inside_tls=True)
POP3 = _program("pop3", inside_tls=False)
POP3S = _program("pop3", inside_tls=True)
