"""ADD_ADDR vanishes: an end does not learn the other's further addresses.

Real boxes: firewalls that forbid further subflows take the option out that invites to them;
nftables' ``reset tcp option mptcp`` with a subtype does it on Linux.  RFC 8684, section 3.4.1,
has the option sent reliably because paths lose it.

Linux 6.18: the server announces on a segment of its own, without other MPTCP options. If it is the
fourth ACK, without ADD_ADDR it is a plain ACK where the client waits for the first DSS, so the
whole connection falls back to TCP: the client counts ``MPTcpExtMPCapableDataFallback``, the server
``MPTcpExtAddAddrTx`` and ``MPTcpExtDssFallback``. If data comes first, MPTCP goes on and the
address is not learnt (measured, either within ten tries).
"""

import enum
from dataclasses import dataclass

from mptcp_check.middleboxes.frame import TcpSegment
from mptcp_check.middleboxes.options_edit import ADD_ADDR, Removal, mptcp, removed
from mptcp_check.middleboxes.rewriting import SegmentRewriter, with_options
from mptcp_check.middleboxes.scope import EVERYTHING, Scope
from mptcp_check.model import Direction

_ECHO_FLAG = 0x01
_FLAGS_BYTE = 2


class Message(enum.Enum):
    """What ADD_ADDR is, by its E flag (RFC 8684, section 3.4.1); version 0 had no echo."""

    ANNOUNCEMENT = 0
    ECHO = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """Which of the two messages, and how."""

    messages: frozenset[Message] = frozenset(Message)
    """What is removed: the announcement, or the echo by which it is confirmed."""
    removal: Removal = Removal.NOP
    """Whether its bytes become no-operations, or go and the header shrinks."""
    scope: Scope = EVERYTHING


DEFAULT = Parameters()


class AddAddrRemoved(SegmentRewriter):
    """Takes ADD_ADDR out of every segment."""

    def __init__(self, parameters: Parameters = DEFAULT) -> None:
        super().__init__(parameters.scope)
        self._parameters = parameters

    def rewritten(self, segment: TcpSegment, direction: Direction) -> bytes:  # noqa: ARG002 - any
        """Return the segment without the option, anything else as it is."""
        return with_options(segment, removed(segment.options, self._goes, self._parameters.removal))

    def _goes(self, option: bytes) -> bool:
        if not mptcp(ADD_ADDR)(option):
            return False
        # In version 0 the low bits are the IP version, 4 or 6 (RFC 6824, section 3.4.1).
        echo = option[_FLAGS_BYTE] & 0x0F == _ECHO_FLAG
        return (Message.ECHO if echo else Message.ANNOUNCEMENT) in self._parameters.messages
