"""The IRC server for many sessions: each is a world of its own."""

import hashlib
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mptcp_guest.servers import irc

ALICE, BOB = "mpck-" + "a7" * 13, "mpck-" + "b2" * 13
LIMIT_S = 60
LOGINS = "".join(f"{m} {hashlib.sha256(m[-1:].encode()).hexdigest()}\n" for m in (ALICE, BOB))


class Client:
    """Speaks with a server that runs in a thread."""

    def __init__(self, place: "Place", marker: str, name: str) -> None:
        place.clients.append(self)
        rooms = place.rooms
        self.line, theirs = socket.socketpair()
        self.line.settimeout(LIMIT_S)

        def serve() -> None:
            with theirs, theirs.makefile("rb") as stream, suppress(OSError):
                irc.talk(theirs, stream, rooms, lambda: LOGINS)

        self.serving = threading.Thread(target=serve)
        self.serving.start()
        self.stream = self.line.makefile("rb")
        self.say(f"PASS {marker[-1:]}", f"NICK {marker}.{name}", "CAP LS", "USER x 0 * :x")

    def end(self) -> None:
        self.stream.close()
        self.line.close()
        self.serving.join()

    def say(self, *lines: str) -> None:
        self.line.sendall("".join(f"{line}\r\n" for line in lines).encode())

    def hear(self, word: str) -> str:
        while heard := self.stream.readline().decode():
            if f" {word} " in heard:
                return heard
        raise AssertionError(f"{word} never came")


@dataclass
class Place:
    rooms: irc.Rooms = field(default_factory=irc.Rooms)
    clients: list[Client] = field(default_factory=list)


@pytest.fixture
def place() -> Iterator[Place]:
    made = Place()
    yield made
    for client in made.clients:
        client.end()


def test_what_one_says_the_others_of_his_session_hear(place: Place) -> None:
    hearer, sayer = Client(place, ALICE, "h"), Client(place, ALICE, "s")
    for one in (hearer, sayer):
        one.say("JOIN #x")
        one.hear("366")
    sayer.say("PRIVMSG #x :hello there")
    assert hearer.hear("PRIVMSG") == f":{ALICE}.s PRIVMSG #x :hello there\r\n"
    sayer.say("QUIT :done")
    assert "ERROR" in sayer.hear("ERROR")
    assert sayer.stream.readline() == b""


def test_another_sessions_visitors_are_not_there(place: Place) -> None:
    hearer, sayer = Client(place, BOB, "h"), Client(place, ALICE, "s")
    for one in (hearer, sayer):
        one.say("JOIN #x")
    assert BOB not in sayer.hear("353")
    hearer.hear("366")
    sayer.say("PRIVMSG #x :hello", f"PRIVMSG {BOB}.h :hello", "PING :end")
    sayer.hear("PONG")
    hearer.say("PING :end")
    assert "PONG" in hearer.stream.readline().decode()


def test_names_and_numbers_are_bounded(place: Place) -> None:
    first = Client(place, ALICE, "0")
    first.hear("001")
    assert " 433 " in Client(place, ALICE, "0").hear("433")
    more = [Client(place, ALICE, str(n)) for n in range(1, irc.VISITORS_COUNT)]
    for one in more:
        one.hear("001")
    assert Client(place, ALICE, "another").hear("433")
    first.say(*(f"JOIN #{n}" for n in range(20)), "PING :end")
    joined = 0
    while " PONG " not in (heard := first.stream.readline().decode()):
        joined += " JOIN " in heard
    assert joined == irc.CHANNELS_COUNT


@pytest.mark.parametrize("nick", ["x", ALICE, f"{ALICE}.x", f"mpck-{'c' * 26}.x", ""])
def test_who_has_no_password_is_not_let_in(nick: str) -> None:
    assert irc.admitted(LOGINS, nick, "wrong") == ""
    assert irc.admitted("", nick, "7") == ""
    assert irc.admitted(LOGINS, f"{ALICE}.x", ALICE[-1:]) == ALICE


@given(st.text(max_size=80), st.text(max_size=80), st.text(max_size=20))
def test_no_words_raise(logins: str, nick: str, password: str) -> None:
    irc.admitted(logins, nick, password)
