"""Read what is about to leave, and find anything of it that must stay at home.

The scanner knows nothing of how a capture or a document was rewritten: it takes the expanded
members as bytes and looks for every identity in every spelling and behind every encoding (see
`decodings`), also in those within each other. Only one thing is allowed to look like an IPv4
address: a number of a header that may have any value (a sequence number, a window, a key, an IP
identification), what begins in a header and ends in payload, or the framing of the capture file;
four bytes are too few to never come up by chance. The same holds for a name of so few letters.
"""

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Final

from mptcp_upload.anonymise import capture_blocks
from mptcp_upload.anonymise.capture_blocks import Frame, Part
from mptcp_upload.anonymise.frame_layout import Layout, layout
from mptcp_upload.anonymise.identities import SHORTEST_NAME, Identities
from mptcp_upload.anonymise.payloads import Payloads
from mptcp_upload.errors import VERDICT_ONLY, LeakError
from mptcp_upload.leak_search import SHORT_NAME, Hit, Search

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
    search = Search(who)
    found = [(0, what) for _, what in search.text(member.encode(), among_bytes=False)]
    if member.endswith((".pcapng", ".pcap")):
        found += _in_capture(content, search)
    else:
        found += search.text(content, among_bytes=False)
        found += ((at, what) for at, what in search.binary(content) if not what.startswith("IPv4"))
        found += search.encoded(content)
    return [Leak(member=member, offset=at, what=what) for at, what in found]


def _in_capture(capture: bytes, search: Search) -> Iterator[Hit]:
    """Look at the file's bytes, at what is around its frames, and at its streams put together."""
    pieces = capture_blocks.parts(capture, str)
    hits = chain(search.text(capture, among_bytes=True), search.binary(capture))
    yield from _not_by_chance(pieces, hits, search)
    around = [p.tail if isinstance(p, Frame) else p for p in pieces]
    for part in around:
        if not capture_blocks.holds_numbers_only(part):
            yield from search.text(part, among_bytes=False)
    payloads = Payloads()
    for piece in pieces:
        if isinstance(piece, Frame):
            segment = layout(piece.octets, piece.link_type).segment
            if segment is not None:
                payloads.add(segment, piece.octets[slice(*segment.payload)])
    for stream in payloads.texts():
        yield from search.text(stream, among_bytes=True)
        yield from search.encoded(stream)


def _not_by_chance(pieces: list[Part], hits: Iterator[Hit], search: Search) -> Iterator[Hit]:
    """Leave out the short ones that are a random number's bytes, or a file's framing."""
    starts: list[int] = []
    frames: list[Frame] = []
    at = 0
    for piece in pieces:
        if isinstance(piece, Frame):
            starts.append(at + len(piece.head))
            frames.append(piece)
            at += len(piece.head) + len(piece.octets) + len(piece.tail)
        else:
            at += len(piece)
    for place, what in hits:
        index = bisect_right(starts, place) - 1
        inside = index >= 0 and place - starts[index] < len(frames[index].octets)
        if what == SHORT_NAME:
            # what is around the frames is looked at by itself
            is_leak = inside and _is_name(frames[index], place - starts[index], search)
        elif what.startswith("IPv4"):
            is_leak = inside and _is_address(frames[index], place - starts[index])
        else:
            is_leak = True
        if is_leak:
            yield place, what


def _is_address(frame: Frame, at: int) -> bool:
    end = at + _IPV4_BYTES
    if end > len(frame.octets):
        return False
    places = layout(frame.octets, frame.link_type)
    # two bytes of padding and the first two of payload are no address: 192.168.1.1 would be "found"
    # behind every 65,536th pair of NOPs
    edges = () if places.segment is None else places.segment.payload
    if any(at < edge < end for edge in edges):
        return False
    return not _is_number(places, at, end)


def _is_name(frame: Frame, at: int, search: Search) -> bool:
    places = layout(frame.octets, frame.link_type)
    if places.segment is None or at < places.segment.payload[0]:
        return not _is_number(places, at, at + SHORTEST_NAME)
    # the header and the framing around it may be what makes its few bytes long enough for a text
    start, end = places.segment.payload
    alone = search.text(frame.octets[start:end], among_bytes=True)
    return any(start + found == at for found, _ in alone)


def _is_number(places: Layout, at: int, end: int) -> bool:
    return any(s < end and at < e for s, e in places.random)
