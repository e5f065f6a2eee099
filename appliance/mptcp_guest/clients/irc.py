"""Two visitors of one channel: what one says the other hears.

    @own irc ADDRESS PORT NAME WITHIN_S

The lines of `SENT_FILE` are said by one; what the other hears becomes `ARRIVED_FILE`.
"""

import socket
import sys
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from mptcp_guest import irc
from mptcp_guest.messages import ARRIVED_FILE, SENT_FILE

PASSWORD_FILE = "password"  # noqa: S105 - the name of a file
AHEAD_COUNT = 64
"""How many lines may be on their way: a server hangs up on who reads too slowly."""

WELCOME, NAMES_END = "001", "366"
REFUSALS = {"ERROR", "433", "464", "465"}
"""The server hangs up; the name is taken; the password is wrong; unwelcome."""


class Visitor:
    """One connection to the server."""

    def __init__(self, where: tuple[str, int], nick: str, *, within_s: float) -> None:
        self.connection = socket.create_connection(where, timeout=within_s)
        self.lines: BinaryIO = self.connection.makefile("rb")
        password = Path(PASSWORD_FILE).read_text()
        self.say("PASS", password)
        self.say("NICK", nick)
        self.say("USER", nick, "0", "*", "mptcp-check")
        self.hear(WELCOME)

    def say(self, command: str, *parameters: str) -> None:
        """Send one line."""
        self.connection.sendall(irc.line(command, *parameters))

    def hear(self, command: str) -> str:
        """Return the last parameter of the next line with that command, and answer pings.

        Raises:
            OSError: The server refused, or went away.
        """
        while line := self.lines.readline(irc.LINE_BYTES_MAX):
            message = irc.read(line)
            if message is None:
                continue
            if message.command == "PING":
                self.say("PONG", *message.parameters)
            elif message.command == command:
                return message.parameters[-1] if message.parameters else ""
            elif message.command in REFUSALS:
                raise OSError(f"the server says {' '.join(message.parameters)}")
        raise OSError(f"the server ended where {command} had to come")

    def leave(self) -> None:
        """Say goodbye, and wait until the server has hung up."""
        with suppress(OSError):
            self.say("QUIT", "done")
            while self.lines.readline(irc.LINE_BYTES_MAX):
                pass
        self.lines.close()
        self.connection.close()


def main(address: str, port: str, name: str, within_s: str) -> None:
    """Do one exchange.

    Raises:
        OSError: The server is not there, refused, or went away.
    """
    where, channel = (address, int(port)), f"#{name}"
    lines = Path(SENT_FILE).read_text().splitlines()
    hearer = Visitor(where, f"{name}h", within_s=float(within_s))
    sayer = Visitor(where, f"{name}s", within_s=float(within_s))
    for visitor in (hearer, sayer):
        visitor.say("JOIN", channel)
        visitor.hear(NAMES_END)
    with Path(ARRIVED_FILE).open("wb") as file:
        for place in range(len(lines) + AHEAD_COUNT):
            if place < len(lines):
                sayer.say("PRIVMSG", channel, lines[place])
            if place >= AHEAD_COUNT:
                file.write(hearer.hear("PRIVMSG").encode() + b"\r\n")
    for visitor in (sayer, hearer):
        visitor.leave()


if __name__ == "__main__":
    main(*sys.argv[1:])
