"""The maximum segment size in SYN and SYN/ACK is lowered.

Real boxes: every router in front of a path with a smaller MTU: PPPoE lines, tunnels, VPNs; on
Linux ``TCPMSS --set-mss`` (RFC 9293, section 3.7.1).

Linux 6.18: no consequence for MPTCP; segments are smaller and there are more of them (measured).
"""

from dataclasses import dataclass

from mptcp_check.middleboxes.frame import TcpSegment
from mptcp_check.middleboxes.options_edit import MAXIMUM_SEGMENT_SIZE, altered, of_kind
from mptcp_check.middleboxes.rewriting import SegmentRewriter, with_options
from mptcp_check.middleboxes.scope import EVERYTHING, Scope
from mptcp_check.model import Direction

_IS_MSS = of_kind(frozenset({MAXIMUM_SEGMENT_SIZE}))
_OPTION_BYTES = 4
_MAX_MSS_BYTES = 0xFFFF


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """How much is left."""

    mss_bytes: int = 1200
    """What is said instead of a greater value; a smaller one stays."""
    scope: Scope = EVERYTHING

    def __post_init__(self) -> None:
        if not 1 <= self.mss_bytes <= _MAX_MSS_BYTES:
            raise ValueError(f"mss_bytes is 1 to {_MAX_MSS_BYTES}, not {self.mss_bytes}")


DEFAULT = Parameters()


class MssClamped(SegmentRewriter):
    """Lowers the MSS option."""

    def __init__(self, parameters: Parameters = DEFAULT) -> None:
        super().__init__(parameters.scope)
        self._mss_bytes = parameters.mss_bytes

    def rewritten(self, segment: TcpSegment, direction: Direction) -> bytes:  # noqa: ARG002 - any
        """Return SYN and SYN/ACK with an MSS that is no greater, anything else as it is."""
        if not (segment.is_syn or segment.is_syn_ack):
            return segment.packet.frame
        return with_options(segment, altered(segment.options, _IS_MSS, self._clamped))

    def _clamped(self, option: bytes) -> bytes:
        if len(option) != _OPTION_BYTES or int.from_bytes(option[2:], "big") <= self._mss_bytes:
            return option
        return option[:2] + self._mss_bytes.to_bytes(2, "big")
