"""SYNs with MP_CAPABLE are dropped in silence, plain SYNs pass: a black hole for MPTCP.

Real boxes: firewalls whose policy for unknown or unwanted options is "drop", such as a Cisco
``tcp-map`` with ``tcp-options range 30 30 drop``; reported from the field in mptcp_net-next issue
557.

Linux 6.18: the client sends SYNs with MP_CAPABLE at 0, 1 and 2 s, the fourth without it, and
connects as plain TCP after 3.07 s (1.03 s with ``syn_retrans_before_tcp_fallback=0``).  It counts
``MPTcpExtMPCapableSYNTXDrop`` and, unless ``blackhole_timeout=0``, stops using MPTCP for an hour,
also on other paths (measured; RFC 8684, section 3.7; Documentation/networking/mptcp-sysctl.rst).
"""

from dataclasses import dataclass

from mptcp_check.middleboxes.frame import TcpSegment
from mptcp_check.middleboxes.options_edit import MP_CAPABLE, carries, mptcp
from mptcp_check.middleboxes.rewriting import SegmentRewriter
from mptcp_check.middleboxes.scope import EVERYTHING, Scope
from mptcp_check.model import Direction

_HAS_MP_CAPABLE = mptcp(MP_CAPABLE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """What it is done to."""

    scope: Scope = EVERYTHING


DEFAULT = Parameters()


class MpCapableSynDropped(SegmentRewriter):
    """Drops every SYN that carries MP_CAPABLE."""

    def __init__(self, parameters: Parameters = DEFAULT) -> None:
        super().__init__(parameters.scope)

    def rewritten(self, segment: TcpSegment, direction: Direction) -> bytes | None:  # noqa: ARG002 - any
        """Return nothing for a SYN with MP_CAPABLE, anything else as it is."""
        if segment.is_syn and carries(segment.options, _HAS_MP_CAPABLE):
            return None
        return segment.packet.frame
