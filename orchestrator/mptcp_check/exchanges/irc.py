"""irc: two visitors of one channel; what one says the other hears, line by line.

Both are at the client's end, so the content goes up on one connection and comes down on the
other: small segments in both directions, and two connections at once between the same hosts.
"""

from collections.abc import Mapping

from mptcp_check.exchanges.application import Application, Mode, Opened, Target
from mptcp_check.model import Exchange, Transfer
from mptcp_guest.clients.irc import PASSWORD_FILE
from mptcp_guest.own_program import WORD

PAYLOAD_BYTES_MAX = 64 * 1024
"""Some 1000 lines, each a segment of its own: more than people say."""


def commands(exchange: Exchange, target: Target) -> tuple[tuple[str, ...], ...]:
    """Return the client of an exchange."""
    where = (target.address, str(exchange.port), target.name)
    return ((WORD, "irc", *where, str(exchange.deadline_s)),)


def files(target: Target) -> Mapping[str, str]:
    """Return the file from which the client takes the password."""
    return {PASSWORD_FILE: target.credentials.password}


APPLICATION = Application(
    name="irc",
    title="Chat (IRC)",
    service="irc",
    ports=(6667,),
    modes={
        None: Mode(
            opened=Opened(by_client=2),
            transfers=(Transfer.UPLOAD,),
            payload_bytes_max=PAYLOAD_BYTES_MAX,
        )
    },
    commands=commands,
    files=files,
    tools=(),
    form="lines",
    comes_back=True,
)
