"""An IRC server for many sessions at once: each is a network of its own.

    python3 -m mptcp_guest.servers.irc ADDRESS PORT LOGINS CONNECTIONS

LOGINS is a file that is looked at for each visitor: a line ``MARKER SHA-256`` for each session, of
its password.  A visitor's nick is ``MARKER.NAME``; he meets the visitors of the same session, in
channels, and sees nobody else.  Nothing is kept, and nobody is looked up anywhere.
"""

import hashlib
import hmac
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from mptcp_guest import irc
from mptcp_guest.servers import listening
from mptcp_guest.servers.places import OF_A_SESSION

HOST = "irc.mptcp-check.invalid"
VISITORS_COUNT, CHANNELS_COUNT = 8, 8
"""Of one session; channels of one visitor."""


class Visitor:
    """One connection."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self.nick = self.user = self.password = ""
        self.marker = ""
        """The session's, once he was let in."""
        self.channels: set[str] = set()

    def hear(self, source: str, command: str, *parameters: str) -> None:
        """Send him a line.

        Raises:
            OSError: He went away, or does not read.
        """
        with self._lock:
            self._connection.sendall(f":{source} ".encode() + irc.line(command, *parameters))


class Rooms:
    """Who is here, by session."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._visitors: dict[str, list[Visitor]] = {}

    def enter(self, visitor: Visitor) -> bool:
        """Let a visitor in, unless his session has too many or his nick is there."""
        with self._lock:
            there = self._visitors.setdefault(visitor.marker, [])
            taken = any(one.nick == visitor.nick for one in there)
            if len(there) >= VISITORS_COUNT or taken:
                return False
            there.append(visitor)
            return True

    def leave(self, visitor: Visitor) -> None:
        """Forget him."""
        with self._lock:
            there = self._visitors.get(visitor.marker, [])
            if visitor in there:
                there.remove(visitor)
            if not there:
                self._visitors.pop(visitor.marker, None)

    def of(self, visitor: Visitor, channel: str) -> list[Visitor]:
        """Return who of his session is in a channel."""
        with self._lock:
            return [v for v in self._visitors.get(visitor.marker, []) if channel in v.channels]


def admitted(logins: str, nick: str, password: str) -> str:
    """Return the marker of who may come in; nothing for who may not; PURE."""
    found = OF_A_SESSION.fullmatch(nick)
    if found is None:
        return ""
    said = hashlib.sha256(password.encode()).hexdigest()
    rows = dict(row.split(" ") for row in logins.splitlines() if row.count(" ") == 1)
    known = rows.get(found[1], "")
    return found[1] if known and hmac.compare_digest(known, said) else ""


def talk(
    connection: socket.socket, stream: BinaryIO, rooms: Rooms, logins: Callable[[], str]
) -> None:
    """Serve one visitor.

    Raises:
        OSError: He went away.
    """
    visitor = Visitor(connection)
    try:
        if not _welcomed(visitor, stream, rooms, logins):
            return
        while line := stream.readline(irc.LINE_BYTES_MAX):
            message = irc.read(line)
            if message is not None and not _done(visitor, message, rooms):
                return
    finally:
        rooms.leave(visitor)


def _welcomed(visitor: Visitor, stream: BinaryIO, rooms: Rooms, logins: Callable[[], str]) -> bool:
    while not (visitor.nick and visitor.user):
        line = stream.readline(irc.LINE_BYTES_MAX)
        if not line:
            return False
        message = irc.read(line)
        match message and (message.command, *message.parameters):
            case ("PASS", password, *_):
                visitor.password = password
            case ("NICK", nick, *_):
                visitor.nick = nick
            case ("USER", user, *_):
                visitor.user = user
            case _:
                pass  # CAP and its like: not known here
    visitor.marker = admitted(logins(), visitor.nick, visitor.password)
    if not visitor.marker:
        visitor.hear(HOST, "464", "*", "Password incorrect")
        return False
    if not rooms.enter(visitor):
        visitor.marker = ""
        visitor.hear(HOST, "433", "*", visitor.nick, "Nickname is already in use")
        return False
    visitor.hear(HOST, "001", visitor.nick, "Welcome")
    return True


def _done(visitor: Visitor, message: irc.Message, rooms: Rooms) -> bool:
    """Do what a visitor says, and return whether he stays."""
    match (message.command, *message.parameters):
        case ("PING", *words):
            visitor.hear(HOST, "PONG", HOST, *words[:1])
        case ("JOIN", channel, *_) if channel.startswith("#"):
            if len(visitor.channels) < CHANNELS_COUNT:
                visitor.channels.add(channel)
                visitor.hear(visitor.nick, "JOIN", channel)
            names = " ".join(one.nick for one in rooms.of(visitor, channel))
            visitor.hear(HOST, "353", visitor.nick, "=", channel, names)
            visitor.hear(HOST, "366", visitor.nick, channel, "End of /NAMES list")
        case ("PRIVMSG", channel, text) if channel in visitor.channels:
            for one in rooms.of(visitor, channel):
                if one is not visitor:
                    one.hear(visitor.nick, "PRIVMSG", channel, text)
        case ("QUIT", *_):
            visitor.hear(HOST, "ERROR", "Closing connection")
            return False
        case _:
            visitor.hear(HOST, "421", visitor.nick, message.command[:20], "Unknown command")
    return True


def main(address: str, port: str, logins: str, count: str) -> None:
    """Serve without end."""
    listener = listening.listening(address, int(port))
    rooms, known = Rooms(), Path(logins)
    listening.serve(
        listener,
        lambda connection, stream: talk(connection, stream, rooms, known.read_text),
        connections_count=int(count),
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
