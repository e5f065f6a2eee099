"""sftp, scp and a plain stream over ssh.

What boxes see is the greeting in clear text (RFC 4253, section 4.2) and then nothing; some let
ssh through on its own port only, some nowhere, some open it.  The host's key is pinned: who opens
ssh in between is found.
"""

from collections.abc import Mapping
from dataclasses import replace

from mptcp_check.exchanges.application import Application, Mode, Target
from mptcp_check.exchanges.credentials import SERVER_NAME
from mptcp_check.model import Exchange, Transfer
from mptcp_guest.messages import ARRIVED_FILE, SENT_FILE, STREAM_SUFFIX
from mptcp_guest.own_program import WORD

LEGACY = "legacy"

INTERCEPTED = (
    "somebody in between opens ssh: the host key that came is not the measurement server's"
)
SIGNS = {"Host key verification failed": INTERCEPTED}


def files(target: Target) -> Mapping[str, str]:
    """Return all that the clients know: no configuration of anybody's is read."""
    known = target.credentials
    config = f"""\
HostName {target.address}
HostKeyAlias {SERVER_NAME}
User {known.user}
IdentityFile key
IdentityAgent none
IdentitiesOnly yes
UserKnownHostsFile known_hosts
GlobalKnownHostsFile none
StrictHostKeyChecking yes
UpdateHostKeys no
BatchMode yes
LogLevel VERBOSE
"""
    return {
        "config": config,
        "known_hosts": f"{SERVER_NAME} {known.ssh_host_key}\n",
        "key": known.ssh_client_key,
        "put": f"put {SENT_FILE} up/{target.file}\n",
        "get": f"get down/{target.file} {ARRIVED_FILE}\n",
    }


def _options(exchange: Exchange) -> tuple[str, ...]:
    return "-F", "config", "-o", f"Port={exchange.port}"


def _sftp(exchange: Exchange, _: Target) -> tuple[tuple[str, ...], ...]:
    batch = {Transfer.DOWNLOAD: "get", Transfer.UPLOAD: "put"}[exchange.direction]
    return (("sftp", *_options(exchange), "-b", batch, SERVER_NAME),)


def _scp(exchange: Exchange, target: Target) -> tuple[tuple[str, ...], ...]:
    how = _options(exchange)
    if exchange.mode == LEGACY:
        how = ("-O", *how, "-o", f"User={target.credentials.user}{STREAM_SUFFIX}")
    from_to = {
        Transfer.DOWNLOAD: (f"{SERVER_NAME}:down/{target.file}", ARRIVED_FILE),
        Transfer.UPLOAD: (SENT_FILE, f"{SERVER_NAME}:up/{target.file}"),
    }[exchange.direction]
    return (("scp", *how, *from_to),)


def _stream(exchange: Exchange, target: Target) -> tuple[tuple[str, ...], ...]:
    *plumbing, verb = {
        Transfer.DOWNLOAD: ("--out", ARRIVED_FILE, "send"),
        Transfer.UPLOAD: ("--in", SENT_FILE, "take"),
    }[exchange.direction]
    login = ("-l", target.credentials.user + STREAM_SUFFIX)
    ssh = ("ssh", *_options(exchange), *login, SERVER_NAME, f"{verb} {target.file}")
    return ((WORD, "plumbed", *plumbing, "--", *ssh),)


SFTP = Application(
    name="sftp",
    title="Secure file transfer (SFTP)",
    service="ssh",
    ports=(22, 2222),
    commands=_sftp,
    files=files,
    tools=("sftp", "ssh"),
    signs=SIGNS,
)

SCP = replace(
    SFTP,
    name="scp",
    title="Secure copy (scp)",
    modes={
        LEGACY: Mode(special=True, words="by scp's own protocol, as before OpenSSH 9"),
        None: Mode(),
    },
    commands=_scp,
    tools=("scp", "ssh"),
)

SSH = replace(SFTP, name="ssh", title="Remote command (ssh)", commands=_stream, tools=("ssh",))
