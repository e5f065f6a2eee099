"""Our own servers for many sessions: the name that a client says begins with a session's marker."""

from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256

from mptcp_guest import messages, own_program
from mptcp_guest.serving import echo, irc, sip, throughput, websocket
from mptcp_guest.serving.program import Place
from mptcp_guest.serving.sharing import Caps, Login, Shared, replaced, write_certificate

Prepare = Callable[[Place, messages.ServiceWanted, Caps], list[str]]
LOGINS = "logins"
THROUGHPUT_BYTES_MAX = 64 * 1024 * 1024
"""Of one test."""
NOBODY_ELSE = ""
"""They are started without root's rights."""


def _program(module: str, *words: str) -> Prepare:
    def prepare(place: Place, wanted: messages.ServiceWanted, caps: Caps) -> list[str]:
        where = (wanted["address"], str(wanted["port"]), str(place.files), NOBODY_ELSE)
        count = str(caps.connections_count)
        python = own_program.own_python()
        return own_program.command(module, *where, *words, count, python=python)

    return prepare


def _websocket(place: Place, wanted: messages.ServiceWanted, caps: Caps) -> list[str]:
    keys: tuple[str, ...] = ()
    if wanted["service"] == websocket.TLS.name:
        keys = tuple(map(str, write_certificate(place, caps.keys)))
    count = caps.connections_count
    return websocket.command(place, wanted, *keys, user=NOBODY_ELSE, connections_count=count)


def _irc(place: Place, wanted: messages.ServiceWanted, caps: Caps) -> list[str]:
    _admit_to_irc(place, ())
    where = (wanted["address"], str(wanted["port"]), str(place.directory / LOGINS))
    count, python = str(caps.connections_count), own_program.own_python()
    return own_program.command("servers.irc", *where, count, python=python)


def _admit_to_irc(place: Place, logins: Sequence[Login]) -> None:
    hashed = ((one.marker, sha256(one.password.encode()).hexdigest()) for one in logins)
    replaced(place, LOGINS, "".join(f"{marker} {digest}\n" for marker, digest in hashed))


def _iperf3(place: Place, wanted: messages.ServiceWanted, caps: Caps) -> list[str]:
    where = (wanted["address"], str(wanted["port"]), str(place.files))
    bounds = (str(caps.connections_count), str(THROUGHPUT_BYTES_MAX))
    python = own_program.own_python()
    return own_program.command("servers.iperf3", *where, *bounds, python=python)


SHARED: Mapping[str, Shared] = {
    echo.CLIENT_FIRST.name: Shared(prepare=_program("servers.echo", "client")),
    echo.SERVER_FIRST.name: Shared(prepare=_program("servers.echo", "server")),
    # ngircd's users all meet each other
    irc.PROGRAM.name: Shared(prepare=_irc, admit=_admit_to_irc, own_program=True),
    # iperf3's own serves one at a time, and knows no cap
    throughput.PROGRAM.name: Shared(
        prepare=_iperf3, own_program=True, offer_bytes_max=THROUGHPUT_BYTES_MAX
    ),
    sip.PROGRAM.name: Shared(prepare=_program("servers.sip")),
    websocket.PROGRAM.name: Shared(prepare=_websocket),
    websocket.TLS.name: Shared(prepare=_websocket),
}
