"""A SYN with MP_CAPABLE is answered with a RST; the server never sees it, plain SYNs pass.

Real boxes: firewalls whose answer to an option they do not allow is "reject with reset" instead
of "drop"; on Linux ``nft … tcp option mptcp exists reject with tcp reset``.

Linux 6.18: connect fails with ECONNREFUSED and there is no fallback: a RST is taken for the
server's word (measured; RFC 8684, section 3.7, lets the SYN be sent again without the option only
when nothing comes).
"""

from dataclasses import dataclass

from mptcp_check.middleboxes.crafting import DEFAULT_TTL, check_ttl
from mptcp_check.middleboxes.frame import TcpSegment
from mptcp_check.middleboxes.options_edit import MP_CAPABLE, carries, mptcp
from mptcp_check.middleboxes.resets import SegmentRefuser
from mptcp_check.middleboxes.scope import EVERYTHING, Scope

_HAS_MP_CAPABLE = mptcp(MP_CAPABLE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """What it is done to, and what the RST looks like."""

    hop_limit: int = DEFAULT_TTL
    """Of the RST; the client sees it as many lower as there are routers from the box."""
    scope: Scope = EVERYTHING

    def __post_init__(self) -> None:
        check_ttl(self.hop_limit)


DEFAULT = Parameters()


class MpCapableSynReset(SegmentRefuser):
    """Refuses every SYN that carries MP_CAPABLE."""

    def __init__(self, parameters: Parameters = DEFAULT) -> None:
        super().__init__(parameters.scope, parameters.hop_limit)

    def refuses(self, segment: TcpSegment) -> bool:
        """Say whether a segment is a SYN with MP_CAPABLE."""
        return segment.is_syn and carries(segment.options, _HAS_MP_CAPABLE)
