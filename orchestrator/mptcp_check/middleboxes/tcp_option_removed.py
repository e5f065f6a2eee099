"""TCP options of some kinds, other than MPTCP's, vanish.

Real boxes: normalisers: some in front of large sites replace timestamps by no-operations; on
Linux ``TCPOPTSTRIP --strip-options timestamp``.

Linux 6.18: no consequence for MPTCP; TCP does without the option (measured with timestamps; RFC
9293, section 3.1).
"""

from dataclasses import dataclass

from mptcp_check.middleboxes.frame import TcpSegment
from mptcp_check.middleboxes.options_edit import (
    MPTCP,
    TIMESTAMPS,
    Removal,
    check_kinds,
    of_kind,
    removed,
)
from mptcp_check.middleboxes.rewriting import SegmentRewriter, with_options
from mptcp_check.middleboxes.scope import EVERYTHING, Scope
from mptcp_check.model import Direction


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """Which, and how."""

    kinds: frozenset[int] = frozenset({TIMESTAMPS})
    """Numbers of option kinds; 30 has behaviours of its own."""
    removal: Removal = Removal.NOP
    """Whether its bytes become no-operations, or go and the header shrinks."""
    scope: Scope = EVERYTHING

    def __post_init__(self) -> None:
        check_kinds(self.kinds, besides=frozenset({MPTCP}))


DEFAULT = Parameters()


class TcpOptionRemoved(SegmentRewriter):
    """Takes options of the chosen kinds out of every segment."""

    def __init__(self, parameters: Parameters = DEFAULT) -> None:
        super().__init__(parameters.scope)
        self._removal = parameters.removal
        self._goes = of_kind(parameters.kinds)

    def rewritten(self, segment: TcpSegment, direction: Direction) -> bytes:  # noqa: ARG002 - any
        """Return the segment without the options, anything else as it is."""
        return with_options(segment, removed(segment.options, self._goes, self._removal))
