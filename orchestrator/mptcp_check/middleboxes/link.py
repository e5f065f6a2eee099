"""A link: it carries so many bits per second, takes its time, and its queue is bounded.

Real boxes: every bottleneck.  A frame waits for those before it, then travels; what finds the
queue full is dropped (drop-tail).  The two directions do not share anything.

Linux 6.18: no consequence for MPTCP; loss by a full queue is ordinary congestion.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from mptcp_check.middleboxes.behaviour import Emission
from mptcp_check.model import FRAME_DIRECTIONS, Direction

_BITS_PER_BYTE = 8
_NS_PER_S = 10**9


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """The default is a home's fixed line, fast enough for a test and slow enough to fill."""

    rate_bps: int = 40_000_000
    """In each direction."""
    delay_ns: int = 5_000_000
    """One way."""
    queue_bytes: int = 256_000
    """What may wait for the line; about 50 ms at the default rate."""

    def __post_init__(self) -> None:
        if self.rate_bps < 1 or self.delay_ns < 0 or self.queue_bytes < 0:
            raise ValueError("a link needs a rate above zero, and no negative delay or queue")


DEFAULT = Parameters()


class Link:
    """A rate, a delay and a queue, once for each direction."""

    def __init__(self, parameters: Parameters = DEFAULT) -> None:
        self._parameters = parameters
        self._free_at_ns = dict.fromkeys(FRAME_DIRECTIONS, 0)
        self.queue_dropped_count = 0

    @property
    def acted_count(self) -> int:
        """How many frames were dropped; delay is what a link is for."""
        return self.queue_dropped_count

    def on_frame(self, frame: bytes, direction: Direction, now_ns: int) -> Sequence[Emission]:
        """Queue a frame behind the earlier ones, or drop it; see `Behaviour.on_frame`."""
        link = self._parameters
        start_ns = max(now_ns, self._free_at_ns[direction])
        waiting_bytes = (start_ns - now_ns) * link.rate_bps // (_BITS_PER_BYTE * _NS_PER_S)
        if start_ns > now_ns and waiting_bytes + len(frame) > link.queue_bytes:
            self.queue_dropped_count += 1
            return ()
        sent_ns = start_ns + len(frame) * _BITS_PER_BYTE * _NS_PER_S // link.rate_bps
        self._free_at_ns[direction] = sent_ns
        return (Emission(frame=frame, direction=direction, at_ns=sent_ns + link.delay_ns),)
