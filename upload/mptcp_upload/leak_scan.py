"""Read what is about to leave, and find anything of it that must stay at home.

The scanner knows nothing of how a capture or a document was rewritten: it takes the expanded
members as bytes and looks for every identity in every spelling, through base64, hexadecimal,
percent, HTML and UTF-16. Only one thing is allowed to look like an IPv4 address: a number that is
random by its nature (a sequence number, a key) in a TCP header, or the framing of the capture file;
four bytes are too few to never come up by chance.
"""

import base64
import binascii
import html
import re
import urllib.parse
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from mptcp_upload.anonymise import capture_blocks, replacements, spellings, tokens
from mptcp_upload.anonymise.capture_blocks import Frame
from mptcp_upload.anonymise.frame_layout import layout
from mptcp_upload.anonymise.identities import Identities
from mptcp_upload.errors import VERDICT_ONLY, LeakError

_BASE64: Final = re.compile(rb"[A-Za-z0-9+/_-]{6,}={0,2}")
_HEXADECIMAL: Final = re.compile(rb"(?:\\x[0-9A-Fa-f]{2}){4,}")
_URL_SAFE: Final = bytes.maketrans(b"-_", b"+/")
_IPV4_BYTES: Final = 4
SHOWN_COUNT: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Leak:
    """One place where an identity is left."""

    member: str
    offset: int
    """In the expanded member, or in what it holds encoded."""
    what: str
    """Kind of identity and its spelling; never the identity itself."""


def require_clean(contents: Mapping[str, bytes], who: Identities) -> None:
    """Refuse a bundle that says who or where.

    Args:
        contents: Its members, expanded.
        who: What must not be there.

    Raises:
        LeakError: It names the members and the spellings, not what was found.
    """
    found = [leak for name in sorted(contents) for leak in scan(name, contents[name], who)]
    if found:
        shown = "; ".join(f"{x.what} in {x.member} at byte {x.offset}" for x in found[:SHOWN_COUNT])
        more = f" and {len(found) - SHOWN_COUNT} more" if len(found) > SHOWN_COUNT else ""
        raise LeakError(
            f"the bundle would give away {shown}{more}",
            hint=f"nothing was sent; this is a bug, please report it; {VERDICT_ONLY}",
        )


def scan(member: str, content: bytes, who: Identities) -> list[Leak]:
    """Return every place where an identity is left in a member; its name is looked at too."""
    search = _Search(who)
    found = [Leak(member=member, offset=0, what=w) for _, w in search.text(member.encode())]
    is_capture = member.endswith((".pcapng", ".pcap"))
    hits = list(search.text(content))
    if is_capture:
        hits += _not_by_chance(content, search.binary(content))
    else:
        hits += ((at, what) for at, what in search.binary(content) if not what.startswith("IPv4"))
    text = b"\n".join(replacements.printable(content)) if is_capture else content
    hits += search.encoded(text)
    return found + [Leak(member=member, offset=at, what=what) for at, what in hits]


Hit = tuple[int, str]


class _Search:
    def __init__(self, who: Identities) -> None:
        self._packed = frozenset(who.addresses | who.macs)
        self._text = [
            (form, f"{_kind(p)}, {name}", re.compile(spellings.pattern(name, form)))
            for p in sorted(self._packed)
            for name, form in spellings.text(p).items()
        ]
        self._binary = [
            (form, f"{_kind(p)}, {name}")
            for p in sorted(self._packed)
            for name, form in spellings.binary(p).items()
        ]
        patterns = [spellings.name_pattern(n.encode()) for n in sorted(who.names)]
        self._names = re.compile(b"|".join(patterns) or rb"(?!)", re.IGNORECASE)
        self._wide = [
            (n.encode(how), f"a name, {how}")
            for n in sorted(who.names)
            for how in ("utf-16-le", "utf-16-be")
        ] + [
            (form.decode("ascii").encode(how), f"{what}, {how}")
            for form, what, _ in self._text
            for how in ("utf-16-le", "utf-16-be")
        ]

    def text(self, content: bytes) -> Iterator[Hit]:
        """Give what is spelt out."""
        lowered = content.lower()
        for run in re.finditer(rb"[\t\r\n\x20-\x7e\x80-\xff]{3,}", content):
            for match in self._names.finditer(run[0]):
                yield run.start() + match.start(), "a name"
        for match in re.finditer(rb"[\t\r\n\x20-\x7e]{7,}", content):
            for token in tokens.find(match[0]):
                if token.packed in self._packed:
                    yield match.start() + token.start, f"{_kind(token.packed)}, as text"
        for form, what, pattern in self._text:
            if form in lowered:
                yield from ((m.start(), what) for m in pattern.finditer(lowered))
        for form, what in self._wide:
            if form in lowered:
                yield lowered.find(form), what

    def binary(self, content: bytes) -> Iterator[Hit]:
        """Give what stands there in bytes."""
        for form, what in self._binary:
            at = content.find(form)
            while at >= 0:
                yield at, what
                at = content.find(form, at + 1)

    def encoded(self, content: bytes) -> Iterator[Hit]:
        """Give what is left after decoding what looks encoded."""
        for run in _HEXADECIMAL.finditer(content):
            decoded = bytes.fromhex(run[0].replace(b"\\x", b"").decode("ascii"))
            yield from ((run.start(), f"{w}, escaped") for _, w in self._either(decoded))
        for decoded, how in (
            (urllib.parse.unquote_to_bytes(content) if b"%" in content else b"", "percent"),
            (html.unescape(content.decode("latin-1")).encode() if b"&" in content else b"", "HTML"),
        ):
            yield from ((at, f"{what}, {how}") for at, what in self.text(decoded))
        for token in _BASE64.finditer(content):
            yield from ((token.start(), f"{w}, base64") for w in self._in_base64(token[0]))

    def _in_base64(self, token: bytes) -> Iterator[str]:
        letters = token.rstrip(b"=").translate(_URL_SAFE)
        for start in range(min(4, len(letters) - 4)):
            part = letters[start:]
            try:
                decoded = base64.b64decode(part[: len(part) - (len(part) % 4 == 1)] + b"==")
            except binascii.Error:
                continue
            if start == 0 and len(decoded) == _IPV4_BYTES:
                yield from (what for _, what in self.binary(decoded))
            yield from (what for _, what in self._either(decoded))

    def _either(self, decoded: bytes) -> Iterator[Hit]:
        lowered = decoded.lower()
        for form, what, _ in self._text:
            if form in lowered:
                yield 0, what
        for form, what in self._binary:
            if len(form) > _IPV4_BYTES and form in decoded:
                yield 0, what
        if self._names.search(decoded):
            yield 0, "a name"


def _kind(packed: bytes) -> str:
    return {4: "IPv4 address", 6: "MAC address"}.get(len(packed), "IPv6 address")


def _not_by_chance(capture: bytes, hits: Iterator[Hit]) -> Iterator[Hit]:
    """Leave out IPv4 addresses that are a random number's bytes, or a file's framing."""
    starts: list[int] = []
    frames: list[Frame] = []
    at = 0
    for piece in capture_blocks.parts(capture, str):
        if isinstance(piece, Frame):
            starts.append(at + len(piece.head))
            frames.append(piece)
            at += len(piece.head) + len(piece.octets) + len(piece.tail)
        else:
            at += len(piece)
    for place, what in hits:
        index = bisect_right(starts, place) - 1
        if not what.startswith("IPv4") or (
            index >= 0 and _is_leak(frames[index], place - starts[index])
        ):
            yield place, what


def _is_leak(frame: Frame, at: int) -> bool:
    end = at + _IPV4_BYTES
    if end > len(frame.octets):
        return False
    random = layout(frame.octets, frame.link_type).random
    return not any(s < end and at < e for s, e in random)
