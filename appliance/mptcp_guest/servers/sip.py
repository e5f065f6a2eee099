"""A SIP server that registers, takes calls, and takes or sends a message within them.

    python3 -m mptcp_guest.servers.sip ADDRESS PORT FILES USER [CONNECTIONS]

A caller's name is an exchange's.  MESSAGE to ``keep`` is kept under the caller's name; a call to
``send`` is answered, and after its ACK the offered content comes as a MESSAGE on the same
connection: nobody is ever called at an address that somebody told.
"""

import re
import socket
import sys
from pathlib import Path
from typing import BinaryIO

from mptcp_guest import sip
from mptcp_guest.naming import is_name
from mptcp_guest.servers import listening
from mptcp_guest.servers.places import handed_out, taken, way_to

KEEP, SEND = "keep", "send"
MEDIA_PORT = 40000
MESSAGE_TYPE = ("Content-Type", "application/octet-stream")


def user(text: str) -> str:
    """Return the user of the first SIP URI in a text; nothing when it is no plain name; PURE."""
    found = re.search(r"sip:([^@;>\s]*)@", text)
    return found[1] if found and is_name(found[1]) else ""


def talk(connection: socket.socket, stream: BinaryIO, files: Path) -> None:
    """Serve one client.

    Raises:
        OSError: It went away, or speaks no SIP.
    """
    here = sip.place(*connection.getsockname()[:2])
    contact = ("Contact", f"<sip:server@{here};transport=tcp>")
    while request := sip.read(stream):
        name, wanted = user(request.header.get("from", "")), user(request.first)
        match request.method:
            case "REGISTER" | "BYE":
                connection.sendall(sip.answer(request, "200 OK", [contact]))
            case "INVITE":
                offer = sip.session(connection.getsockname()[0], MEDIA_PORT)
                described = [contact, ("Content-Type", "application/sdp")]
                connection.sendall(sip.answer(request, "200 OK", described, offer))
            case "ACK":
                if wanted == SEND and name:
                    with handed_out(way_to(files, "down", name)) as file:
                        content = file.read(sip.BODY_BYTES_MAX)
                    connection.sendall(_message(request, name, here, content))
            case "MESSAGE" if wanted == KEEP and name:
                with taken(way_to(files, "up", name)) as file:
                    file.write(request.body)
                connection.sendall(sip.answer(request, "200 OK"))
            case sip.VERSION:
                pass  # the answer to our own message
            case _:
                connection.sendall(sip.answer(request, "405 Method Not Allowed"))


def _message(call: sip.Message, name: str, here: str, content: bytes) -> bytes:
    header = [
        ("Via", f"{sip.VERSION}/TCP {here};branch=z9hG4bK{name}"),
        ("From", call.header.get("to", "")),
        ("To", call.header.get("from", "")),
        ("Call-ID", call.header.get("call-id", "")),
        ("CSeq", "1 MESSAGE"),
        ("Max-Forwards", "70"),
        MESSAGE_TYPE,
    ]
    there = sip.user_uri(call.header.get("contact", ""))
    return sip.encode(f"MESSAGE {there} {sip.VERSION}", header, content)


def main(address: str, port: str, files: str, who: str, count: str = "") -> None:
    """Serve without end."""
    listener = listening.listening(address, int(port))
    listening.become(who)
    listening.serve(
        listener,
        lambda connection, stream: talk(connection, stream, Path(files)),
        connections_count=int(count or listening.CONNECTIONS_COUNT),
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
