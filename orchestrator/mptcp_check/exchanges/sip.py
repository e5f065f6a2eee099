"""sip: a call over TCP, and a message within it.

Gateways that know SIP rewrite the addresses in it, where they stand and in the session
description, and with them the lengths; some take one in a body for one of theirs.  What is
compared is the message's body, byte for byte.
"""

from mptcp_check.exchanges.application import Application, Mode, Target
from mptcp_check.exchanges.echo import WAYS
from mptcp_check.model import Exchange
from mptcp_guest.own_program import WORD

PAYLOAD_BYTES_MAX = 64 * 1024
"""More than any message of a call, and enough for a second subflow to carry some of it."""


def commands(exchange: Exchange, target: Target) -> tuple[tuple[str, ...], ...]:
    """Return the client of an exchange: it leaves what came in `ARRIVED_FILE`."""
    where = (target.address, str(exchange.port), target.name)
    return ((WORD, "sip", *where, WAYS[exchange.direction], str(exchange.deadline_s)),)


APPLICATION = Application(
    name="sip",
    title="Calls (SIP)",
    service="sip",
    ports=(5060,),
    modes={None: Mode(payload_bytes_max=PAYLOAD_BYTES_MAX)},
    commands=commands,
    tools=(),
)
