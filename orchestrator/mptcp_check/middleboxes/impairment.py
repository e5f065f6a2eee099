"""What impairments have in common: they act on whole packets of a path, for no reason.

They are not in the catalogue and accuse nobody: loss, delay, reordering and duplication are what
networks do.

ARP and neighbour discovery pass: they are a link's and not a path's.  Three lost requests make a
host say "no route to host", where a lost SYN only costs a second.
"""

import abc
from collections.abc import Sequence

from mptcp_check.middleboxes import neighbour_discovery
from mptcp_check.middleboxes.behaviour import Emission, Randomness
from mptcp_check.middleboxes.frame import ETHERTYPE_ARP, ip_packet, network_layer, tcp_segment
from mptcp_check.middleboxes.scope import Scope, Subflows
from mptcp_check.model import Direction


def check_probability(probability: float) -> None:
    """See that a number is a probability.

    Raises:
        ValueError: It is below 0 or above 1.
    """
    if not 0 <= probability <= 1:
        raise ValueError(f"a probability is 0 to 1, not {probability}")


class FrameWatch:
    """Says which frames an impairment is for: any packet, unless the scope is about TCP.

    Args:
        scope: A scope with ports, subflows or a first segment leaves all but TCP alone.
    """

    def __init__(self, scope: Scope) -> None:
        self._direction = scope.direction
        self._only_tcp = bool(
            scope.ports or scope.subflow is not Subflows.ANY or scope.first_segment > 1
        )
        self._watch = scope.watch()

    def covers(self, frame: bytes, direction: Direction) -> bool:
        """Say whether the impairment applies; to be asked once for each frame, in order."""
        if not self._only_tcp:
            return self._direction in {Direction.BOTH, direction} and not _is_the_links(frame)
        segment = tcp_segment(frame)
        return segment is not None and self._watch.covers(segment, direction)


class RandomTimes(abc.ABC):
    """An impairment that now and then sends a frame at other times than it came.

    Args:
        scope: Which frames it may touch; the others pass.
        probability: That it touches one, 0 to 1.
        rng: What throws the dice, once for each frame in the scope.
    """

    def __init__(self, scope: Scope, probability: float, rng: Randomness) -> None:
        self._watch = FrameWatch(scope)
        self._probability = probability
        self._rng = rng
        self._acted_count = 0

    @property
    def acted_count(self) -> int:
        """How many frames it touched."""
        return self._acted_count

    @abc.abstractmethod
    def times_ns(self, now_ns: int) -> Sequence[int]:
        """Return when a frame leaves that came now and is touched; no time drops it."""

    def on_frame(self, frame: bytes, direction: Direction, now_ns: int) -> Sequence[Emission]:
        """Touch one frame or pass it; see `Behaviour.on_frame`."""
        times_ns: Sequence[int] = (now_ns,)
        if self._watch.covers(frame, direction) and self._rng.random() < self._probability:
            self._acted_count += 1
            times_ns = self.times_ns(now_ns)
        return [Emission(frame=frame, direction=direction, at_ns=at_ns) for at_ns in times_ns]


def _is_the_links(frame: bytes) -> bool:
    """Say whether a frame asks or tells who has an address on this link."""
    found = network_layer(frame)
    if found is not None and found[0] == ETHERTYPE_ARP:
        return True
    packet = ip_packet(frame)
    return packet is not None and neighbour_discovery.is_discovery(packet)
