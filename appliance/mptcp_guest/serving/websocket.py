"""A WebSocket server (RFC 6455), bare and under TLS: Debian's python3-websockets.

It runs as a process of its own, `mptcp_guest.servers.websocket`: nothing else of the agent needs
that package.
"""

from mptcp_guest import messages, own_program
from mptcp_guest.servers.listening import CONNECTIONS_COUNT
from mptcp_guest.serving.program import USER, Place, Program

PACKAGE = "python3-websockets"
"""It has no executable: `mptcp_guest.tools` looks for the module."""


def command(
    place: Place,
    wanted: messages.ServiceWanted,
    *keys: str,
    user: str = USER,
    connections_count: int = CONNECTIONS_COUNT,
) -> list[str]:
    """Return how the server is started; PURE.

    Args:
        place: Where its files are.
        wanted: Where it listens.
        keys: Certificate and key, where it speaks TLS.
        user: Whom it becomes; empty where it is nobody important already.
        connections_count: At once.
    """
    where = (str(place.files), wanted["address"], str(wanted["port"]))
    who = (user, str(connections_count))
    python = own_program.DEBIAN_PYTHON
    return own_program.command("servers.websocket", *where, *who, *keys, python=python)


def _prepare(
    place: Place, wanted: messages.ServiceWanted, arguments: messages.ServicesStartArguments
) -> list[str]:
    keys: list[str] = []
    if wanted["service"] == TLS.name:
        certificate = place.written("certificate.pem", arguments["tls_certificate"])
        keys = [str(certificate), str(place.written("key.pem", arguments["tls_key"], secret=True))]
    return command(place, wanted, *keys)


PROGRAM = Program(name="websocket", tool=PACKAGE, package=PACKAGE, prepare=_prepare)
TLS = Program(name="websocket-tls", tool=PACKAGE, package=PACKAGE, prepare=_prepare)
