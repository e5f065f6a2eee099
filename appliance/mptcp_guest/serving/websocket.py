"""A WebSocket server (RFC 6455), bare and under TLS: Debian's python3-websockets.

It runs as a process of its own, `mptcp_guest.servers.websocket`: nothing else of the agent needs
that package.
"""

from mptcp_guest import messages, own_program
from mptcp_guest.serving.program import Place, Program

PACKAGE = "python3-websockets"
"""It has no executable: `mptcp_guest.tools` looks for the module."""


def _prepare(
    place: Place, wanted: messages.ServiceWanted, arguments: messages.ServicesStartArguments
) -> list[str]:
    keys: list[str] = []
    if wanted["service"] == TLS.name:
        certificate = place.written("certificate.pem", arguments["tls_certificate"])
        keys = [str(certificate), str(place.written("key.pem", arguments["tls_key"], secret=True))]
    where = (str(place.files), wanted["address"], str(wanted["port"]))
    return own_program.command("servers.websocket", *where, *keys, python=own_program.DEBIAN_PYTHON)


PROGRAM = Program(name="websocket", tool=PACKAGE, package=PACKAGE, prepare=_prepare)
TLS = Program(name="websocket-tls", tool=PACKAGE, package=PACKAGE, prepare=_prepare)
