"""Payload as TCP's streams, so that an address is found however segments cut it.

The first bytes that a capture has of a place in a stream make the stream; edits are found there and
go to every segment that carries the place with the same bytes: retransmissions and segments cut
anew by the path change alike. A segment that carries something else is looked at by itself.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from mptcp_upload.anonymise.frame_layout import Segment
from mptcp_upload.anonymise.replacements import Edit, Replacements

STREAM_BYTES_LIMIT = 64 << 20
"""Beyond it, segments are looked at one by one."""
_SLACK_BYTES = 1 << 16
"""Room before the first segment seen, for those that were overtaken by it."""


@dataclass(slots=True)
class _Stream:
    origin: int
    octets: bytearray = field(default_factory=bytearray)
    have: bytearray = field(default_factory=bytearray)
    edits: list[Edit] = field(default_factory=list)


class Payloads:
    """The streams of one capture."""

    def __init__(self) -> None:
        self._streams: dict[bytes, _Stream] = {}

    def add(self, segment: Segment, payload: bytes) -> None:
        """Take a segment's bytes where the stream has none yet."""
        stream = self._streams.get(segment.flow)
        if stream is None:
            origin = (segment.seq - _SLACK_BYTES) & 0xFFFFFFFF
            stream = self._streams[segment.flow] = _Stream(origin)
        at = _place(stream, segment, payload)
        if at is None:
            return
        end = at + len(payload)
        if end > len(stream.octets):
            missing = bytes(end - len(stream.octets))
            stream.octets += missing
            stream.have += missing
        if not any(stream.have[at:end]):
            stream.octets[at:end] = payload
            stream.have[at:end] = b"\1" * len(payload)
            return
        for i, octet in enumerate(payload, at):
            if not stream.have[i]:
                stream.octets[i], stream.have[i] = octet, 1

    def texts(self) -> Iterable[bytes]:
        """Give all streams, unseen bytes as zeros."""
        return (bytes(s.octets) for s in self._streams.values())

    def find_edits(self, replacements: Replacements) -> None:
        """Find what is to be changed in all streams."""
        for stream in self._streams.values():
            stream.edits = replacements.edits(bytes(stream.octets))

    def edited(
        self, segment: Segment, payload: bytes, replacements: Replacements
    ) -> tuple[bytes, int]:
        """Return a segment's payload with its edits, and how many touch it."""
        stream = self._streams[segment.flow]
        at = _place(stream, segment, payload)
        if at is None or stream.octets[at : at + len(payload)] != payload:
            edits, at = replacements.edits(payload), 0
        else:
            edits = stream.edits
        out, count = bytearray(payload), 0
        for place, new in edits:
            start, end = max(place - at, 0), min(place - at + len(new), len(out))
            if start < end:
                out[start:end] = new[start - (place - at) : end - (place - at)]
                count += 1
        return bytes(out), count


def _place(stream: _Stream, segment: Segment, payload: bytes) -> int | None:
    at = (segment.seq - stream.origin) & 0xFFFFFFFF
    return at if at + len(payload) <= STREAM_BYTES_LIMIT else None
