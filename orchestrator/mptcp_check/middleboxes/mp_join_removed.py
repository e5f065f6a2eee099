"""MP_JOIN vanishes from the handshake of a further subflow; the first one is left alone.

Real boxes: firewalls that inspect what they let through allow MPTCP's first subflow, whose bytes
they can follow, and forbid further ones; nftables' ``reset tcp option mptcp`` with a subtype does
it on Linux.

Linux 6.18: without MP_JOIN in the SYN the server answers a stranger's plain SYN, the client
misses MP_JOIN in the answer and resets that subflow with MP_TCPRST; the connection goes on over
the first.  Client counters: ``MPTcpExtMPJoinSynTx`` 1, ``MPTcpExtMPRstTx`` 1,
``MPTcpExtMPJoinSynAckRx`` 0 (measured; RFC 8684, section 3.2).
"""

from dataclasses import dataclass

from mptcp_check.middleboxes.frame import TcpSegment
from mptcp_check.middleboxes.handshake import Step, step_of
from mptcp_check.middleboxes.options_edit import MP_JOIN, Removal
from mptcp_check.middleboxes.rewriting import SegmentRewriter, without_mptcp_option
from mptcp_check.middleboxes.scope import EVERYTHING, Scope
from mptcp_check.model import Direction


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """How it is done."""

    steps: frozenset[Step] = frozenset(Step)
    """Which segments lose the option; by default all three."""
    removal: Removal = Removal.NOP
    """Whether its bytes become no-operations, or go and the header shrinks."""
    scope: Scope = EVERYTHING


DEFAULT = Parameters()


class MpJoinRemoved(SegmentRewriter):
    """Takes MP_JOIN out of the chosen segments."""

    def __init__(self, parameters: Parameters = DEFAULT) -> None:
        super().__init__(parameters.scope)
        self._removal = parameters.removal
        self._steps = parameters.steps

    def rewritten(self, segment: TcpSegment, direction: Direction) -> bytes:  # noqa: ARG002 - any
        """Return the segment without the option if it is one of the steps."""
        if step_of(segment) not in self._steps:
            return segment.packet.frame
        return without_mptcp_option(segment, MP_JOIN, self._removal)
