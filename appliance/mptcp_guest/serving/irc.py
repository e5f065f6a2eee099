"""ngircd as the measurement's IRC server: one server without a network, behind a password."""

import pwd
from pathlib import Path

from mptcp_guest import messages
from mptcp_guest.mail import USER_DOMAIN
from mptcp_guest.serving.program import USER, Place, Program


def command(directory: Path) -> list[str]:
    """Return how ngircd is started in the foreground; PURE."""
    return ["ngircd", "--nodaemon", "--config", str(directory / "ngircd.conf")]


def configuration(wanted: messages.ServiceWanted, *, password: str, uid: int, gid: int) -> str:
    """Return ngircd's configuration; PURE.

    Args:
        wanted: Where it listens.
        password: Who has it is let in.
        uid: Whom it becomes.
        gid: Likewise.
    """
    return f"""\
[Global]
Name = irc.{USER_DOMAIN}
Info = mptcp-check
Listen = {wanted["address"]}
Ports = {wanted["port"]}
Password = {password}
ServerUID = {uid}
ServerGID = {gid}
MotdPhrase = mptcp-check
[Limits]
MaxConnections = 64
MaxConnectionsIP = 0
MaxNickLength = 16
# a channel's lines come as fast as the network brings them: no pause after each
MaxPenaltyTime = 0
[Options]
DNS = no
Ident = no
PAM = no
OperServerMode = no
"""


def _prepare(
    place: Place, wanted: messages.ServiceWanted, arguments: messages.ServicesStartArguments
) -> list[str]:
    who = pwd.getpwnam(USER)
    text = configuration(wanted, password=arguments["password"], uid=who.pw_uid, gid=who.pw_gid)
    place.written("ngircd.conf", text, secret=True)
    return command(place.directory)


PROGRAM = Program(name="irc", tool="ngircd", package="ngircd", prepare=_prepare)
