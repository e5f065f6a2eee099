"""WebSocket: a connection that begins as http and stays open both ways.

A box that takes it for http answers the upgrade itself, or ends it when no request follows.
An upload comes back piece by piece while it is sent: chat and games are like that.
"""

from mptcp_check.exchanges import tls
from mptcp_check.exchanges.application import Application, Target
from mptcp_check.model import Exchange, Transfer
from mptcp_guest.messages import ARRIVED_FILE, SENT_FILE
from mptcp_guest.own_program import WORD


def commands(exchange: Exchange, target: Target) -> tuple[tuple[str, ...], ...]:
    """Return the client of an exchange: it leaves what came in `ARRIVED_FILE`."""
    secured = exchange.app == TLS.name
    scheme, certificate = ("wss", (tls.CERTIFICATE_FILE,)) if secured else ("ws", ())
    url = f"{scheme}://{target.server_name}:{exchange.port}{target.root}/"
    verb, file = {
        Transfer.DOWNLOAD: ("send", ARRIVED_FILE),
        Transfer.UPLOAD: ("take", SENT_FILE),
    }[exchange.direction]
    where = (url, target.address, str(exchange.port), target.file)
    return ((WORD, "websocket", verb, file, *where, *certificate),)


APPLICATION = Application(
    name="websocket",
    title="Web (WebSocket)",
    service="websocket",
    ports=(8088,),
    commands=commands,
    tools=("python3-websockets",),
)

TLS = tls.inside(APPLICATION, name="websocket-tls", title="Web (WebSocket over TLS)", port=4443)
