"""What some bytes say once their encodings are undone: each view is bytes again, to look at.

Escapes (percent, C, HTML, JSON, quoted-printable), hexadecimal, base64 at every alignment, letters
of several bytes (UTF-16, UTF-32) and compressed data. None of them raises on any bytes, and none
expands without a cap.
"""

import base64
import binascii
import html
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from mptcp_upload.anonymise import compressed

TEXT: Final = re.compile(rb"[\t\r\n\x20-\x7e]{7,}")
"""Where a text may be among bytes: the shortest address has seven characters."""


_SHORTEST_BYTES: Final = 6
"""Fewer are neither a name in UTF-16 nor anything compressed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Some bytes as they are after one decoding."""

    how: str
    at: int
    """Where it begins in what was decoded."""
    content: bytes
    is_cut: bool = False
    """There is more than anybody looks at."""


_ESCAPE: Final = re.compile(
    rb"%(?P<percent>[0-9A-Fa-f]{2})|\\[xX](?P<c>[0-9A-Fa-f]{2})"
    rb"|\\[uU](?:0000)?00(?P<json>[0-9A-Fa-f]{2})|=(?P<printable>[0-9A-Fa-f]{2})"
    rb"|\\(?P<octal>[0-3][0-7]{2})|(?P<soft>=\r?\n)"
)
_HEXADECIMAL: Final = re.compile(
    rb"(?<![0-9A-Fa-f])(?:[0-9A-Fa-f]{2}[ :,.-]{0,2}(?:0[xX])?){3,}[0-9A-Fa-f]{1,2}(?![0-9A-Fa-f])"
)
_NOT_DIGITS: Final = re.compile(rb"0[xX]|[ :,.-]")
_BASE64: Final = re.compile(
    rb"(?:[A-Za-z0-9+/]{60,}(?:\\r)?(?:\r?\n|\\n))*[A-Za-z0-9+/_-]{6,}={0,2}"
)
_LINE_END: Final = re.compile(rb"(?:\\r)?\\n|\r?\n")
_URL_SAFE: Final = bytes.maketrans(b"-_", b"+/")
_ENTITY: Final = re.compile(rb"&(?:#|[A-Za-z])[^;\s]{1,8};")
_OCTET: Final = re.compile(rb"&#(?:[xX]0*(?P<hex>[0-9A-Fa-f]{1,2})|0*(?P<decimal>[0-9]{1,3}));")
_WIDE: Final = tuple(
    (
        f"a letter in {width} bytes",
        width,
        re.compile(rb"\0" * (width - 1) + rb"(?=[\t-\xff]" + rb"\0" * (width - 1) + rb")"),
        re.compile(rb"[\t-\xff](?:\0{%d}[\t-\xff]){2,}" % (width - 1)),
    )
    for width in (2, 4, 8, 16)
)
"""UTF-16 and UTF-32, and what is either twice: all but one byte of each letter are zero.

Which one is the letter says the order of the bytes; where a run of letters begins needs no order.
The first pattern is where a run's second letter may be.  It begins with a zero, so `re` steps over
what has none; a pattern that begins with a letter is tried at every byte of a capture.
"""


def views(content: bytes) -> Iterator[View]:
    """Give every view of some bytes."""
    for run in TEXT.finditer(content):
        for decode in _OF_TEXT:
            yield from decode(run[0], run.start())
    if len(content) >= _SHORTEST_BYTES:
        yield from _wide(content)
        yield from _compressed(content)


def _escapes(text: bytes, at: int) -> Iterator[View]:
    if _ESCAPE.search(text) is not None:
        yield View(how="escaped", at=at, content=_ESCAPE.sub(_unescaped, text))


def _unescaped(match: re.Match[bytes]) -> bytes:
    if match["soft"]:  # quoted-printable's end of a line that is none (RFC 2045, section 6.7)
        return b""
    if match["octal"]:
        return bytes([int(match["octal"], 8)])
    return bytes.fromhex(match[0][-2:].decode("ascii"))


def _entities(text: bytes, at: int) -> Iterator[View]:
    if b"&" in text and _ENTITY.search(text) is not None:
        unescaped = html.unescape(text.decode("ascii")).encode(errors="replace")
        yield View(how="HTML", at=at, content=unescaped)
        # a browser reads other letters out of numbers that are none; a program may mean bytes
        yield View(how="numbers of bytes", at=at, content=_OCTET.sub(_octet, text))


def _octet(match: re.Match[bytes]) -> bytes:
    number = int(match["hex"], 16) if match["hex"] else int(match["decimal"])
    return bytes([number]) if number < 256 else match[0]  # noqa: PLR2004 - of a byte


def _hexadecimal(text: bytes, at: int) -> Iterator[View]:
    for run in _HEXADECIMAL.finditer(text):
        digits = _NOT_DIGITS.sub(b"", run[0])
        for start in (0, 1):
            part = digits[start : len(digits) - (len(digits) - start) % 2]
            decoded = bytes.fromhex(part.decode())
            yield View(how="hexadecimal", at=at + run.start(), content=decoded)


def _base64(text: bytes, at: int) -> Iterator[View]:
    for run in _BASE64.finditer(text):
        letters = _LINE_END.sub(b"", run[0]).rstrip(b"=").translate(_URL_SAFE)
        for start in range(min(4, len(letters) - 4)):
            part = letters[start:]
            try:
                decoded = base64.b64decode(part[: len(part) - (len(part) % 4 == 1)] + b"==")
            except binascii.Error:
                continue
            yield View(how="base64", at=at + run.start(), content=decoded)


def _wide(content: bytes) -> Iterator[View]:
    for how, width, second_letter, letters in _WIDE:
        looked_at = 0
        for zeros in second_letter.finditer(content):
            start = zeros.start() - 1
            run = letters.match(content, start) if start >= looked_at else None
            if run is not None:
                looked_at = run.end()
                yield View(how=how, at=start, content=run[0][::width])


def _compressed(content: bytes) -> Iterator[View]:
    for found in compressed.find(content):
        yield View(how=found.kind, at=found.start, content=found.content, is_cut=found.is_cut)


_OF_TEXT: Final[tuple[Callable[[bytes, int], Iterator[View]], ...]] = (
    _escapes,
    _entities,
    _hexadecimal,
    _base64,
)
