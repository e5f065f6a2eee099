"""TCP timestamps are other ones when they arrive, and are translated back in the answers.

Real boxes: firewalls that hide how long a host is up or how many hosts are behind them, such as
OpenBSD's pf with ``scrub reassemble tcp``.

Linux 6.18: no consequence for MPTCP: each end sees clocks that tick evenly (measured; RFC 7323,
section 3).
"""

import dataclasses
from dataclasses import dataclass

from mptcp_check.middleboxes.behaviour import opposite
from mptcp_check.middleboxes.frame import ACK, TcpSegment
from mptcp_check.middleboxes.options_edit import TIMESTAMPS, altered, of_kind
from mptcp_check.middleboxes.rewriting import SegmentRewriter, with_options
from mptcp_check.middleboxes.scope import EVERYTHING, Scope
from mptcp_check.model import FRAME_DIRECTIONS, Direction

_IS_TIMESTAMPS = of_kind(frozenset({TIMESTAMPS}))
_OPTION_BYTES = 10
_VALUE, _ECHO = slice(2, 6), slice(6, 10)
_MODULUS = 2**32


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """Whose clock is shifted, and by how much."""

    offset: int = 1_000_000
    """Added to TSval, modulo 2**32, and taken from the TSecr that answers it."""
    scope: Scope = EVERYTHING
    """Its direction is that of TSval; TSecr of the other direction is translated with it."""

    def __post_init__(self) -> None:
        if not self.offset % _MODULUS:
            raise ValueError(f"offset {self.offset} would alter nothing")


DEFAULT = Parameters()


class TimestampAltered(SegmentRewriter):
    """Shifts timestamps by a constant."""

    def __init__(self, parameters: Parameters = DEFAULT) -> None:
        super().__init__(dataclasses.replace(parameters.scope, direction=Direction.BOTH))
        self._offset = parameters.offset
        self._shifted = (
            set(FRAME_DIRECTIONS)
            if parameters.scope.direction is Direction.BOTH
            else {parameters.scope.direction}
        )

    def rewritten(self, segment: TcpSegment, direction: Direction) -> bytes:
        """Return the segment with its timestamps translated."""
        value = self._offset if direction in self._shifted else 0
        # Without ACK there is no answer, and TSecr is not one (RFC 7323, section 3.2).
        answered = segment.flags & ACK and opposite(direction) in self._shifted
        echo = -self._offset if answered else 0

        def translated(option: bytes) -> bytes:
            if len(option) != _OPTION_BYTES:
                return option
            return option[:2] + _moved(option[_VALUE], value) + _moved(option[_ECHO], echo)

        return with_options(segment, altered(segment.options, _IS_TIMESTAMPS, translated))


def _moved(octets: bytes, by: int) -> bytes:
    return ((int.from_bytes(octets, "big") + by) % _MODULUS).to_bytes(4, "big")
