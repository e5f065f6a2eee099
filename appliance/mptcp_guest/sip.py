"""SIP over TCP, as much as a call with a message in it needs; PURE (RFC 3261).

A message's end on a stream is where its Content-Length says (section 18.3).  Addresses stand in
many places: in the first line, in Via, Contact, From and To, in the session description's ``c=``
and ``o=``.  Gateways rewrite some of them, so all are the real ones.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO

VERSION = "SIP/2.0"
LINE_BYTES_MAX = 4096
LINES_MAX = 64
BODY_BYTES_MAX = 1024 * 1024
SHORT = {"v": "via", "f": "from", "t": "to", "i": "call-id", "m": "contact", "l": "content-length"}
"""Compact forms (section 7.3.3): a gateway may use them."""

COPIED = ("via", "from", "to", "call-id", "cseq")
"""What an answer repeats (section 8.2.6.2)."""

Lines = Sequence[tuple[str, str]]


class StrangeMessageError(OSError):
    """What came is no message, or not the one that had to come."""


@dataclass(frozen=True, slots=True)
class Message:
    """A request or an answer."""

    first: str
    """The first line."""
    header: Mapping[str, str]
    """By name in small letters; of several of one name the first, the topmost Via."""
    body: bytes

    @property
    def method(self) -> str:
        """The request's method; `VERSION` for an answer."""
        return self.first.split(" ", 1)[0]

    @property
    def status(self) -> int:
        """An answer's status code; 0 for a request."""
        found = re.match(rf"{VERSION} ([1-6]\d\d)( |$)", self.first)
        return int(found[1]) if found else 0


def encode(first: str, header: Lines, body: bytes = b"") -> bytes:
    """Return a message as bytes."""
    lines = [first, *(f"{name}: {value}" for name, value in header)]
    lines += [f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode() + body


def answer(request: Message, status: str, header: Lines = (), body: bytes = b"") -> bytes:
    """Return the answer to a request.

    Args:
        request: Its header is copied where an answer must.
        status: ``200 OK``.
        header: What comes besides.
        body: Content.
    """
    copied = [(name.title(), request.header[name]) for name in COPIED if name in request.header]
    copied = [
        (name, f"{value};tag=server" if name == "To" and ";tag=" not in value else value)
        for name, value in copied
    ]
    return encode(f"{VERSION} {status}", [*copied, *header], body)


def read(stream: BinaryIO) -> Message | None:
    """Read one message; nothing when the stream has ended before.

    Raises:
        StrangeMessageError: It is none, or longer than any of ours.
        OSError: The connection broke.
    """
    first = ""
    while not first:  # empty lines between messages are keep-alives (RFC 5626, section 3.5.1)
        line = stream.readline(LINE_BYTES_MAX)
        if not line:
            return None
        first = _text(line)
    header: dict[str, str] = {}
    for _ in range(LINES_MAX):
        line = stream.readline(LINE_BYTES_MAX)
        text = _text(line)
        if not text:
            break
        name, colon, value = text.partition(":")
        if colon:
            name = name.strip().lower()
            header.setdefault(SHORT.get(name, name), value.strip())
    else:
        raise StrangeMessageError("a header without an end")
    length = header.get("content-length", "0")
    if not re.fullmatch(r"[0-9]{1,7}", length) or int(length) > BODY_BYTES_MAX:
        raise StrangeMessageError(f"Content-Length: {length[:40]!r}")
    body = stream.read(int(length))
    if len(body) != int(length):
        raise StrangeMessageError(f"{len(body)} of {length} bytes of a body")
    return Message(first, header, body)


def place(address: str, port: int) -> str:
    """Return an address and a port as they stand in an URI or in Via."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def user_uri(text: str) -> str:
    """Return the URI of a Contact, that of nobody when there is none."""
    found = re.search(r"<(sip:[^>\s]*)>", text)
    return found[1] if found else "sip:nobody@invalid"


def session(address: str, port: int) -> bytes:
    """Return a session description that offers to take sound at an address (RFC 8866)."""
    family = "IP6" if ":" in address else "IP4"
    lines = (
        "v=0",
        f"o=mptcp-check 1 1 IN {family} {address}",
        "s=-",
        f"c=IN {family} {address}",
        "t=0 0",
        f"m=audio {port} RTP/AVP 0",
    )
    return "".join(f"{line}\r\n" for line in lines).encode()


def _text(line: bytes) -> str:
    return line.decode(errors="replace").rstrip("\r\n")
