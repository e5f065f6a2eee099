"""MQTT 3.1.1, as much as is needed to leave a message with a broker and to ask for one.

OASIS Standard MQTT 3.1.1; sections are its own.
"""

from collections.abc import Callable
from typing import BinaryIO

CONNECT, CONNACK, PUBLISH, PUBACK = 0x10, 0x20, 0x30, 0x40
SUBSCRIBE, SUBACK, PINGREQ, PINGRESP, DISCONNECT = 0x82, 0x90, 0xC0, 0xD0, 0xE0
"""First bytes, flags 0 but where they are fixed (2.2)."""
RETAIN, AT_LEAST_ONCE = 0x01, 0x02
LENGTH_BYTES_MAX = 4
BODY_BYTES_MAX = 268_435_455
"""The most that a length says (2.2.3)."""


class StrangePacketError(OSError):
    """What came is no packet, or not the one that had to come."""


def packet(first: int, body: bytes) -> bytes:
    """Return a packet of that first byte; PURE (2.2)."""
    size, left = bytearray(), len(body)
    while True:
        left, low = divmod(left, 128)
        size.append(low | (0x80 if left else 0))
        if not left:
            return bytes((first,)) + bytes(size) + body


def connect(client: str, *, user: str = "", password: str = "") -> bytes:
    """Return a CONNECT of a clean session, with a login where there is a user (3.1); PURE."""
    flags = 0xC2 if user else 0x02
    login = _text(user) + _text(password) if user else b""
    keep_alive_s = 60
    head = _text("MQTT") + bytes((4, flags)) + keep_alive_s.to_bytes(2, "big")
    return packet(CONNECT, head + _text(client) + login)


def publish(topic: str, payload: bytes, *, number: int) -> bytes:
    """Return a PUBLISH that the broker keeps and answers with PUBACK (3.3); PURE."""
    body = _text(topic) + number.to_bytes(2, "big") + payload
    return packet(PUBLISH | RETAIN | AT_LEAST_ONCE, body)


def subscribe(topic: str, *, number: int) -> bytes:
    """Return a SUBSCRIBE at most once (3.8); PURE."""
    return packet(SUBSCRIBE, number.to_bytes(2, "big") + _text(topic) + b"\x00")


def read(receive: BinaryIO) -> tuple[int, bytes]:
    """Read one packet: its first byte and its body.

    Raises:
        StrangePacketError: It is none.
        OSError: The connection broke.
    """
    first = receive.read(1)
    size = 0
    for place in range(LENGTH_BYTES_MAX):
        byte = receive.read(1)
        if not byte:
            raise StrangePacketError("the broker ended")
        size |= (byte[0] & 0x7F) << 7 * place
        if byte[0] < 0x80:  # noqa: PLR2004 - the bit that says that more comes
            break
    else:
        raise StrangePacketError("a length without an end")
    body = receive.read(size)
    if len(body) != size:
        raise StrangePacketError(f"{len(body)} bytes of a packet of {size}")
    return first[0], body


def await_kind(receive: BinaryIO, fits: Callable[[int], bool]) -> bytes:
    """Read packets until one fits and return its body.

    Raises:
        OSError: None came.
    """
    while True:
        first, body = read(receive)
        if fits(first & 0xF0):
            return body


def published(body: bytes) -> bytes:
    """Return the payload of a PUBLISH at most once (3.3.3); nothing when it is too short; PURE."""
    return body[2 + int.from_bytes(body[:2], "big") :]


def _text(text: str) -> bytes:
    encoded = text.encode()
    return len(encoded).to_bytes(2, "big") + encoded
