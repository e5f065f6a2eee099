"""Questions for texts, and what is in the answers (RFC 1035, section 4); PURE."""

import struct
from dataclasses import dataclass

TXT = 16
IN = 1
HEADER = struct.Struct("!6H")
RECORD = struct.Struct("!HHIH")
RESPONSE = 0x8000
TRUNCATED = 0x0200
RCODE = 0x000F
POINTER = 0xC0


def query(name: str, *, number: int) -> bytes:
    """Return the question for a name's texts, without recursion."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return HEADER.pack(number, 0, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!HH", TXT, IN)


@dataclass(frozen=True, slots=True)
class Answer:
    """What one message says."""

    number: int
    """Of the question; -1 when it is none that can be read."""
    text: bytes
    """All strings of the first text, one after the other."""
    problem: str = ""


def answer(message: bytes) -> Answer:
    """Read an answer to `query`; anything else has a problem."""
    if len(message) < HEADER.size:
        return Answer(-1, b"", f"an answer of {len(message)} bytes")
    number, flags, questions, answers, _, _ = HEADER.unpack_from(message)
    if not flags & RESPONSE or flags & (TRUNCATED | RCODE) or not answers:
        return Answer(number, b"", f"the answer has flags {flags:#06x} and {answers} records")
    at = HEADER.size
    for _ in range(questions):
        at = _after_name(message, at) + 4
    for _ in range(answers):
        at = _after_name(message, at)
        if at + RECORD.size > len(message):
            break
        kind, _, _, size = RECORD.unpack_from(message, at)
        at += RECORD.size
        if kind == TXT and at + size <= len(message):
            return _text(number, message[at : at + size])
        at += size
    return Answer(number, b"", "the answer ends before its text")


def _after_name(message: bytes, at: int) -> int:
    while at < len(message):
        length = message[at]
        if length & POINTER == POINTER:
            return at + 2
        at += 1 + length
        if length == 0:
            return at
    return len(message)


def _text(number: int, data: bytes) -> Answer:
    found, at = bytearray(), 0
    while at < len(data):
        end = at + 1 + data[at]
        if end > len(data):
            return Answer(number, b"", "a string is longer than its text")
        found += data[at + 1 : end]
        at = end
    return Answer(number, bytes(found))
