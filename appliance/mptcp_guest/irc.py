"""IRC's lines, as much as is needed to join a channel and to talk there; PURE (RFC 2812)."""

from dataclasses import dataclass

LINE_BYTES_MAX = 512
"""With its CR LF (section 2.3)."""


@dataclass(frozen=True, slots=True)
class Message:
    """One line."""

    command: str
    parameters: tuple[str, ...]
    """The last one may hold spaces."""


def read(line: bytes) -> Message | None:
    """Read a line; nothing when it is none (section 2.3.1)."""
    text = line.decode(errors="replace").rstrip("\r\n")
    if text.startswith(":"):
        _, _, text = text.partition(" ")  # who says so
    head, colon, last = text.partition(" :")
    words = head.split()
    if not words:
        return None
    return Message(words[0].upper(), (*words[1:], *([last] if colon else ())))


def line(command: str, *parameters: str) -> bytes:
    """Return a line; the last parameter may hold spaces."""
    *words, last = parameters
    return " ".join((command, *words, f":{last}")).encode() + b"\r\n"
