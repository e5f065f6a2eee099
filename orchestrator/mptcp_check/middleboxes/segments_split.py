"""A segment becomes several shorter ones; where its MPTCP options go is the question.

Real boxes: segmentation offload in network cards and hypervisors, which copy the options to each
piece; proxies and tunnel ends with a smaller MTU, which do as they like.

Linux 6.18: none with the options on every piece or on the first, as a mapping may cover what
later segments carry; on the last piece only, the first comes without a mapping and its receiver
falls back (``MPTcpExtDssFallback``).  If more than a mapping is in flight then, what is sent
again at the data level is delivered twice (measured; RFC 8684, section 3.3.1).
"""

import enum
from collections.abc import Sequence
from dataclasses import dataclass

from mptcp_check.middleboxes.behaviour import Emission
from mptcp_check.middleboxes.frame import RST, SYN, TcpSegment, tcp_segment
from mptcp_check.middleboxes.options_edit import Removal, mptcp, removed
from mptcp_check.middleboxes.scope import EVERYTHING, Scope
from mptcp_check.middleboxes.segmentation import pieces
from mptcp_check.model import Direction

_MPTCP = mptcp()


class OptionPlace(enum.StrEnum):
    """Which pieces carry the segment's MPTCP options; other options are on all."""

    COPIED = "copied"
    """All of them."""
    FIRST = "first"
    LAST = "last"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """How it is cut."""

    max_payload_bytes: int = 700
    """Longer payloads are cut into pieces of this size, the last one shorter."""
    options: OptionPlace = OptionPlace.COPIED
    """Which pieces carry the MPTCP options."""
    scope: Scope = EVERYTHING

    def __post_init__(self) -> None:
        if self.max_payload_bytes < 1:
            raise ValueError(f"a piece has at least one byte, not {self.max_payload_bytes}")


DEFAULT = Parameters()


class SegmentsSplit:
    """Cuts every segment whose payload is too long; SYN and RST pass."""

    def __init__(self, parameters: Parameters = DEFAULT) -> None:
        self._parameters = parameters
        self._watch = parameters.scope.watch()
        self._acted_count = 0

    @property
    def acted_count(self) -> int:
        """How many segments were cut."""
        return self._acted_count

    def on_frame(self, frame: bytes, direction: Direction, now_ns: int) -> Sequence[Emission]:
        """Cut one segment; see `Behaviour.on_frame`."""
        segment = tcp_segment(frame)
        frames: Sequence[bytes] = (frame,)
        if segment is not None and self._chosen(segment, direction):
            self._acted_count += 1
            frames = self._cut(segment)
        return [Emission(frame=each, direction=direction, at_ns=now_ns) for each in frames]

    def _chosen(self, segment: TcpSegment, direction: Direction) -> bool:
        return (
            self._watch.covers(segment, direction)
            and segment.payload_bytes > self._parameters.max_payload_bytes
            and not segment.flags & (SYN | RST)
        )

    def _cut(self, segment: TcpSegment) -> Sequence[bytes]:
        whole = segment.options
        without = removed(whole, _MPTCP, Removal.DELETE)
        place = self._parameters.options

        def options(number: int, count: int) -> bytes:
            here = {
                OptionPlace.COPIED: True,
                OptionPlace.FIRST: number == 0,
                OptionPlace.LAST: number == count - 1,
            }
            return whole if here[place] else without

        limit = self._parameters.max_payload_bytes
        return tuple(pieces(segment, segment.payload, limit, options=options))
