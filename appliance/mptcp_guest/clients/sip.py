"""A caller: registers, calls, sends or gets a message within the call, hangs up.

@own sip ADDRESS PORT NAME up|down WITHIN_S
"""

import socket
import sys
from pathlib import Path

from mptcp_guest import sip
from mptcp_guest.messages import ARRIVED_FILE, SENT_FILE
from mptcp_guest.servers.sip import KEEP, MEDIA_PORT, MESSAGE_TYPE, SEND


class Caller:
    """One connection, one dialogue."""

    def __init__(self, connection: socket.socket, name: str, callee: str) -> None:
        self.connection = connection
        self.stream = connection.makefile("rb")
        self.address, port = connection.getsockname()[:2]
        self._here = sip.place(self.address, port)
        there = sip.place(*connection.getpeername()[:2])
        self._target = f"sip:{callee}@{there};transport=tcp"
        self._name = name
        self.to = f"<sip:{callee}@{there}>"
        self._number = 0

    def request(self, method: str, body: bytes = b"", *header: tuple[str, str]) -> None:
        """Send a request; ACK belongs to the one before it."""
        self._number += method != "ACK"
        lines = [
            ("Via", f"{sip.VERSION}/TCP {self._here};branch=z9hG4bK{self._name}{self._number}"),
            ("Max-Forwards", "70"),
            ("From", f"<sip:{self._name}@{self._here}>;tag={self._name}"),
            ("To", self.to),
            ("Call-ID", f"{self._name}@{self.address}"),
            ("CSeq", f"{self._number} {method}"),
            ("Contact", f"<sip:{self._name}@{self._here};transport=tcp>"),
            *header,
        ]
        self.connection.sendall(sip.encode(f"{method} {self._target} {sip.VERSION}", lines, body))

    def accepted(self) -> sip.Message:
        """Return the final answer.

        Raises:
            OSError: It is a refusal, or none came.
        """
        while message := sip.read(self.stream):
            if message.status >= 300:  # noqa: PLR2004 - RFC 3261, section 7.2
                raise OSError(f"the server answered {message.first}")
            if message.status >= 200:  # noqa: PLR2004 - as above
                return message
        raise OSError("the server ended")


def main(*words: str) -> None:
    """Do one exchange.

    Raises:
        OSError: The server is not there, refused, or went away.
    """
    address, port, name, way, within_s = words
    with socket.create_connection((address, int(port)), timeout=float(within_s)) as connection:
        caller = Caller(connection, name, SEND if way == "down" else KEEP)
        caller.request("REGISTER")
        caller.accepted()
        offer = sip.session(caller.address, MEDIA_PORT)
        caller.request("INVITE", offer, ("Content-Type", "application/sdp"))
        caller.to = caller.accepted().header.get("to", caller.to)  # with the callee's tag
        caller.request("ACK")
        if way == "down":
            message = sip.read(caller.stream)
            if message is None or message.method != "MESSAGE":
                raise OSError("no message came")
            Path(ARRIVED_FILE).write_bytes(message.body)
            connection.sendall(sip.answer(message, "200 OK"))
        else:
            caller.request("MESSAGE", Path(SENT_FILE).read_bytes(), MESSAGE_TYPE)
            caller.accepted()
        caller.request("BYE")
        caller.accepted()


if __name__ == "__main__":
    main(*sys.argv[1:])
