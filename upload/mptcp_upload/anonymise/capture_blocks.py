"""A capture file as frames and what is between them, without its comments; pcap and pcapng.

Of pcapng only what measuring needs is written again: sections without options, interfaces with
their resolution and name, frames with flags and drop counts, statistics that are numbers. Comments,
hardware, operating system, names resolved, secrets and blocks of others are left out.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from mptcp_upload.errors import VERDICT_ONLY, BundleError

_PCAP_MAGICS: Final = {
    b"\xd4\xc3\xb2\xa1": "<",
    b"\x4d\x3c\xb2\xa1": "<",
    b"\xa1\xb2\xc3\xd4": ">",
    b"\xa1\xb2\x3c\x4d": ">",
}
_SECTION, _INTERFACE, _OBSOLETE, _SIMPLE, _STATISTICS, _ENHANCED = 0x0A0D0D0A, 1, 2, 3, 5, 6
_NAME_OPTION: Final = 2
_KEPT_OPTIONS: Final = {
    _INTERFACE: frozenset({8, 9, 13, 14}),  # speed, resolution, FCS, offset
    _STATISTICS: frozenset({2, 3, 4, 5, 6, 7, 8}),
    _ENHANCED: frozenset({2, 4}),  # flags, drop count
}

Rename = Callable[[str], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One frame, and the bytes of the file around it."""

    link_type: int
    head: bytes
    octets: bytes
    tail: bytes


Part = bytes | Frame


def parts(capture: bytes, rename: Rename) -> list[Part]:
    """Take a capture file apart.

    Args:
        capture: The whole file.
        rename: What to write for an interface's name.

    Raises:
        BundleError: It is none, or is damaged: what cannot be read cannot be made safe.
    """
    try:
        if capture[:4] in _PCAP_MAGICS:
            return _pcap(capture)
        if capture[:4] == _SECTION.to_bytes(4):
            return _pcapng(capture, rename)
    except (struct.error, IndexError):
        raise BundleError("a capture is damaged", hint=VERDICT_ONLY) from None
    raise BundleError("a capture is neither pcap nor pcapng")


def whole(pieces: list[Part]) -> bytes:
    """Put a capture file together again."""
    out: list[bytes] = []
    for piece in pieces:
        out += (piece.head, piece.octets, piece.tail) if isinstance(piece, Frame) else (piece,)
    return b"".join(out)


def _pcap(capture: bytes) -> list[Part]:
    order = _PCAP_MAGICS[capture[:4]]
    link_type = struct.unpack_from(f"{order}I", capture, 20)[0] & 0xFFFF
    pieces: list[Part] = [capture[:24]]
    at = 24
    while at < len(capture):
        (captured,) = struct.unpack_from(f"{order}I", capture, at + 8)
        end = at + 16 + captured
        if end > len(capture):
            raise BundleError("a capture is cut off", hint=VERDICT_ONLY)
        pieces.append(
            Frame(
                link_type=link_type,
                head=capture[at : at + 16],
                octets=capture[at + 16 : end],
                tail=b"",
            )
        )
        at = end
    return pieces


def _pcapng(capture: bytes, rename: Rename) -> list[Part]:
    pieces: list[Part] = []
    order, at, links = "<", 0, [0]
    while at < len(capture):
        if capture[at : at + 4] == _SECTION.to_bytes(4):
            order = ">" if capture[at + 8 : at + 12] == b"\x1a\x2b\x3c\x4d" else "<"
            links = []
        kind, length = struct.unpack_from(f"{order}II", capture, at)
        body = capture[at + 8 : at + length - 4]
        if length < 12 or length % 4 or at + length > len(capture):  # noqa: PLR2004 - smallest block
            raise BundleError("a capture is damaged", hint=VERDICT_ONLY)
        at += length
        if kind == _SECTION:
            pieces.append(_block(order, kind, struct.pack(f"{order}IHHq", 0x1A2B3C4D, 1, 0, -1)))
        elif kind == _INTERFACE:
            links.append(struct.unpack_from(f"{order}H", body)[0])
            kept = _options(order, kind, body[8:], rename)
            pieces.append(_block(order, kind, body[:8] + kept))
        elif kind == _STATISTICS:
            pieces.append(_block(order, kind, body[:12] + _options(order, kind, body[12:], rename)))
        elif kind in (_ENHANCED, _OBSOLETE, _SIMPLE):
            pieces.append(_frame(order, kind, body, links))
    return pieces


def _frame(order: str, kind: int, body: bytes, links: list[int]) -> Frame:
    if kind == _SIMPLE:
        (original,) = struct.unpack_from(f"{order}I", body)
        captured = min(original, len(body) - 4)
        return _framed(
            order,
            kind,
            head=body[:4],
            octets=body[4 : 4 + captured],
            options=b"",
            link_type=links[0],
        )
    if kind == _OBSOLETE:
        interface, _drops = struct.unpack_from(f"{order}HH", body)
        body = struct.pack(f"{order}I", interface) + body[4:]
    interface, _, _, captured = struct.unpack_from(f"{order}IIII", body)
    end = 20 + captured
    if end > len(body):
        raise BundleError("a capture is damaged", hint=VERDICT_ONLY)
    rest = body[end + -captured % 4 :] if kind == _ENHANCED else b""
    options = _options(order, _ENHANCED, rest, str)
    return _framed(
        order,
        _ENHANCED,
        head=body[:20],
        octets=body[20:end],
        options=options,
        link_type=links[interface],
    )


def holds_numbers_only(part: bytes) -> bool:
    """Say whether a block is of statistics: counts and times, in which three letters come up."""
    return part[:4] in (_STATISTICS.to_bytes(4, "little"), _STATISTICS.to_bytes(4))


def _framed(
    order: str, kind: int, *, head: bytes, octets: bytes, options: bytes, link_type: int
) -> Frame:
    padding = bytes(-len(octets) % 4)
    length = 12 + len(head) + len(octets) + len(padding) + len(options)
    return Frame(
        link_type=link_type,
        head=struct.pack(f"{order}II", kind, length) + head,
        octets=octets,
        tail=padding + options + struct.pack(f"{order}I", length),
    )


def _block(order: str, kind: int, body: bytes) -> bytes:
    length = struct.pack(f"{order}I", len(body) + 12)
    return struct.pack(f"{order}I", kind) + length + body + length


def _options(order: str, kind: int, octets: bytes, rename: Rename) -> bytes:
    """Return the options that are kept, an interface's name renamed."""
    out, at = b"", 0
    while at + 4 <= len(octets):
        code, length = struct.unpack_from(f"{order}HH", octets, at)
        value = octets[at + 4 : at + 4 + length]
        at += 4 + length + -length % 4
        if code == 0:
            break
        if kind == _INTERFACE and code == _NAME_OPTION:
            value = rename(value.rstrip(b"\0").decode(errors="replace")).encode()
        elif code not in _KEPT_OPTIONS[kind]:
            continue
        out += struct.pack(f"{order}HH", code, len(value)) + value + bytes(-len(value) % 4)
    return out + bytes(4) if out else b""
