"""A SYN with MP_JOIN is answered with a RST; the server never sees it.

Real boxes: firewalls that allow Multipath TCP's first subflow and reject further ones.  A server
that does not know the token answers with a RST too (RFC 8684, section 3.2), with MP_TCPRST in it:
this one has no option.

Linux 6.18: there is no further subflow, the connection goes on over the first.  The client counts
``MPTcpExtMPJoinSynTx`` and no answer, the server nothing (measured).
"""

from dataclasses import dataclass

from mptcp_check.middleboxes.crafting import DEFAULT_TTL, check_ttl
from mptcp_check.middleboxes.frame import TcpSegment
from mptcp_check.middleboxes.options_edit import MP_JOIN, carries, mptcp
from mptcp_check.middleboxes.resets import SegmentRefuser
from mptcp_check.middleboxes.scope import EVERYTHING, Scope

_HAS_MP_JOIN = mptcp(MP_JOIN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """What it is done to, and what the RST looks like."""

    hop_limit: int = DEFAULT_TTL
    """Of the RST; the client sees it as many lower as there are routers from the box."""
    scope: Scope = EVERYTHING

    def __post_init__(self) -> None:
        check_ttl(self.hop_limit)


DEFAULT = Parameters()


class MpJoinReset(SegmentRefuser):
    """Refuses every SYN that carries MP_JOIN."""

    def __init__(self, parameters: Parameters = DEFAULT) -> None:
        super().__init__(parameters.scope, parameters.hop_limit)

    def refuses(self, segment: TcpSegment) -> bool:
        """Say whether a segment is a SYN with MP_JOIN."""
        return segment.is_syn and carries(segment.options, _HAS_MP_JOIN)
