"""A RST in the name of who was addressed (RFC 9293, sections 3.5.2 and 3.10.7.1)."""

import abc
from collections.abc import Sequence

from mptcp_check.middleboxes.behaviour import Emission, opposite
from mptcp_check.middleboxes.crafting import DEFAULT_TTL, Road, crafted
from mptcp_check.middleboxes.frame import ACK, FIN, RST, SYN, TcpSegment, tcp_segment
from mptcp_check.middleboxes.scope import Scope
from mptcp_check.model import Direction


def reset_for(segment: TcpSegment, *, hop_limit: int = DEFAULT_TTL) -> bytes:
    """Return the frame with the RST that a host without such a connection would answer.

    A segment with ACK gets its acknowledgement number as the sequence number of the RST and no
    ACK; one without gets sequence number zero and an ACK for all that it took up.

    Args:
        segment: What the RST answers.
        hop_limit: Of the RST's packet: by default, that of a host on the same link.
    """
    if segment.flags & ACK:
        sequence, acknowledged, flags = segment.acknowledgement, 0, RST
    else:
        taken = segment.payload_bytes + bool(segment.flags & SYN) + bool(segment.flags & FIN)
        sequence, acknowledged, flags = 0, segment.sequence + taken, RST | ACK
    return crafted(
        Road.along(segment).back(),
        sequence=sequence,
        acknowledgment=acknowledged,
        flags=flags,
        window=0,
        ttl=hop_limit,
    )


class SegmentRefuser(abc.ABC):
    """A behaviour that answers chosen segments with a RST and does not pass them on.

    Args:
        scope: Which segments it looks at; the others pass.
        hop_limit: Of the RSTs.
    """

    def __init__(self, scope: Scope, hop_limit: int) -> None:
        self._watch = scope.watch()
        self._hop_limit = hop_limit
        self._acted_count = 0

    @property
    def acted_count(self) -> int:
        """How many segments were refused."""
        return self._acted_count

    @abc.abstractmethod
    def refuses(self, segment: TcpSegment) -> bool:
        """Say whether a segment is refused."""

    def on_frame(self, frame: bytes, direction: Direction, now_ns: int) -> Sequence[Emission]:
        """Pass a frame or answer it; see `Behaviour.on_frame`."""
        segment = tcp_segment(frame)
        if segment is None or not (
            self._watch.covers(segment, direction) and self.refuses(segment)
        ):
            return (Emission(frame=frame, direction=direction, at_ns=now_ns),)
        self._acted_count += 1
        answer = reset_for(segment, hop_limit=self._hop_limit)
        return (Emission(frame=answer, direction=opposite(direction), at_ns=now_ns),)
