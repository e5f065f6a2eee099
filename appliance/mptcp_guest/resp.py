"""redis' protocol, as much as is needed to put a value in and to get it out again.

https://redis.io/docs/reference/protocol-spec (RESP 2).
"""

from typing import BinaryIO

LINE_BYTES_MAX = 512
VALUE_BYTES_MAX = 256 * 1024 * 1024


class StrangeReplyError(OSError):
    """What came is no reply, or one that says no."""


def request(*words: bytes) -> bytes:
    """Return a command as bytes; PURE."""
    parts = [b"*%d\r\n" % len(words)]
    parts += [b"$%d\r\n%s\r\n" % (len(word), word) for word in words]
    return b"".join(parts)


def reply(stream: BinaryIO) -> bytes | None:
    """Read one reply: the text or number of a simple one, a value, or none where there is none.

    Raises:
        StrangeReplyError: It is an error, or no reply at all.
        OSError: The connection broke.
    """
    line = stream.readline(LINE_BYTES_MAX)
    kind, text = line[:1], line[1:].removesuffix(b"\r\n")
    if not line.endswith(b"\r\n") or kind not in {b"+", b":", b"$"}:
        raise StrangeReplyError(f"redis answered {line[:80]!r}")
    if kind != b"$":
        return text
    if text == b"-1":
        return None
    if not text.isdigit() or len(text) > len(str(VALUE_BYTES_MAX)):
        raise StrangeReplyError(f"redis answered {line[:80]!r}")
    size = int(text)
    value = stream.read(size + 2) if size <= VALUE_BYTES_MAX else b""
    if len(value) != size + 2 or not value.endswith(b"\r\n"):
        raise StrangeReplyError(f"{len(value)} bytes of a value of {size}")
    return value[:-2]
