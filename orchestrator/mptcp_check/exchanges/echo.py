"""echo: bytes to and fro on one connection; in two applications, by who speaks first.

Whose data comes first matters to a path: the client's kernel learns from the first data whether
MPTCP options survive, and some boxes hold a connection until the client has said something (as
port 80's do) or take one for an attack in which the server waits.  They differ by port too, so
both can be tried at any.
"""

from mptcp_check.exchanges.application import Application, Commands, Target
from mptcp_check.model import Exchange, Transfer
from mptcp_guest.own_program import WORD

WAYS = {Transfer.DOWNLOAD: "down", Transfer.UPLOAD: "up"}


def _commands(first: str) -> Commands:
    def commands(exchange: Exchange, target: Target) -> tuple[tuple[str, ...], ...]:
        way = WAYS[exchange.direction]
        where = (target.address, str(exchange.port), target.name, way)
        return ((WORD, "echo", *where, first, str(exchange.deadline_s)),)

    return commands


CLIENT_FIRST = Application(
    name="echo",
    title="Echo (the client speaks first)",
    service="echo",
    ports=(7, 34007, 50443),  # RFC 862; and two that no box knows
    commands=_commands("client"),
    tools=(),
)

SERVER_FIRST = Application(
    name="greeting-echo",
    title="Echo (the server speaks first)",
    service="greeting-echo",
    ports=(17, 34017, 50517),  # RFC 865: there the server speaks first too
    commands=_commands("server"),
    tools=(),
)
