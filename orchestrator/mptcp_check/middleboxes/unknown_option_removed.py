"""TCP options that the box does not know vanish.

Real boxes: firewalls that let only known options through; on 4 to 14 of 100 paths an option
unknown in 2010 was removed from the SYN, most often towards port 80 (Honda et al., "Is it still
possible to extend TCP?", IMC 2011).

Linux 6.18: no consequence for MPTCP when the box knows option 30: nothing else that Linux sends is
unknown.
"""

from dataclasses import dataclass

from mptcp_check.middleboxes.frame import TcpSegment
from mptcp_check.middleboxes.options_edit import (
    ASSIGNED_KINDS,
    Removal,
    check_kinds,
    not_of_kind,
    removed,
)
from mptcp_check.middleboxes.rewriting import SegmentRewriter, with_options
from mptcp_check.middleboxes.scope import EVERYTHING, Scope
from mptcp_check.model import Direction


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """What is known, and how the rest goes."""

    known: frozenset[int] = ASSIGNED_KINDS
    """Kinds the box knows; by default those IANA has assigned, MPTCP too, experiments not."""
    removal: Removal = Removal.NOP
    """Whether its bytes become no-operations, or go and the header shrinks."""
    scope: Scope = EVERYTHING

    def __post_init__(self) -> None:
        check_kinds(self.known - {0, 1})


DEFAULT = Parameters()


class UnknownOptionRemoved(SegmentRewriter):
    """Takes unknown options out of every segment."""

    def __init__(self, parameters: Parameters = DEFAULT) -> None:
        super().__init__(parameters.scope)
        self._removal = parameters.removal
        self._goes = not_of_kind(parameters.known)

    def rewritten(self, segment: TcpSegment, direction: Direction) -> bytes:  # noqa: ARG002 - any
        """Return the segment without the options, anything else as it is."""
        return with_options(segment, removed(segment.options, self._goes, self._removal))
