"""Segments with TCP options that the box does not know are dropped in silence.

Real boxes: firewalls with a list of allowed options and "drop" for the rest, such as a Cisco
``tcp-map`` with ``tcp-options range``.

Linux 6.18: no consequence for MPTCP when the box knows option 30; if it does not, this is
``mp_capable_syn_dropped``.
"""

from dataclasses import dataclass

from mptcp_check.middleboxes.frame import TcpSegment
from mptcp_check.middleboxes.options_edit import ASSIGNED_KINDS, carries, check_kinds, not_of_kind
from mptcp_check.middleboxes.rewriting import SegmentRewriter
from mptcp_check.middleboxes.scope import EVERYTHING, Scope
from mptcp_check.model import Direction


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """What is known."""

    known: frozenset[int] = ASSIGNED_KINDS
    """Kinds the box knows; by default those IANA has assigned, MPTCP too, experiments not."""
    scope: Scope = EVERYTHING

    def __post_init__(self) -> None:
        check_kinds(self.known - {0, 1})


DEFAULT = Parameters()


class UnknownOptionDropped(SegmentRewriter):
    """Drops every segment with an unknown option."""

    def __init__(self, parameters: Parameters = DEFAULT) -> None:
        super().__init__(parameters.scope)
        self._unknown = not_of_kind(parameters.known)

    def rewritten(self, segment: TcpSegment, direction: Direction) -> bytes | None:  # noqa: ARG002 - any
        """Return nothing for a segment with such an option, anything else as it is."""
        return None if carries(segment.options, self._unknown) else segment.packet.frame
