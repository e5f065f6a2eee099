"""A key in MP_CAPABLE is another one when it arrives.

Real boxes: none is known to do it on purpose; a box that damages option bytes it takes for
something else, or that tries to hide the key and keeps no state, does this.

Linux 6.18: with the server's key altered in the SYN/ACK the client computes a wrong token and
wrong data sequence numbers. The kernels do not compare the keys of the third ACK with their own,
so both believe in Multipath TCP: what arrives is outside of the expected data sequence numbers, is
sent again for ever, and the applications hang; a join finds no connection
(``MPTcpExtMPJoinNoTokenFound``) and is reset. With the client's key altered in the third ACK the
join fails at the client (``MPTcpExtMPJoinSynAckHMacFailure``) and a download over the first
subflow works (measured; RFC 8684, sections 3.1 and 3.2).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from mptcp_check.middleboxes.frame import TcpSegment
from mptcp_check.middleboxes.handshake import Step, step_of
from mptcp_check.middleboxes.options_edit import MP_CAPABLE, altered, mptcp
from mptcp_check.middleboxes.rewriting import SegmentRewriter, with_options
from mptcp_check.middleboxes.scope import EVERYTHING, Scope
from mptcp_check.model import Direction

_KEY_BYTES = 8
_SENDER_KEY = slice(4, 4 + _KEY_BYTES)
_RECEIVER_KEY = slice(12, 12 + _KEY_BYTES)
"""Where the keys stand in the option (RFC 8684, figure 4)."""
_IS_MP_CAPABLE = mptcp(MP_CAPABLE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """Which key, where, and who is kept in the dark."""

    steps: frozenset[Step] = frozenset({Step.SYN_ACK})
    """Where the sender's key changes: syn_ack the server's, ack the client's in the third ACK and
    in the first data, syn the client's in version 0."""
    restored: bool = False
    """Whether the true server's key is put back where the client's third ACK and first data
    repeat the altered one, so that the server sees nothing."""
    mask: int = 0xFF
    """Is XORed onto the key's last byte; 1 to 255."""
    scope: Scope = EVERYTHING

    def __post_init__(self) -> None:
        if not 1 <= self.mask <= 0xFF:  # noqa: PLR2004 - a byte
            raise ValueError(f"mask must be 1 to 255, not {self.mask}: zero would alter nothing")


DEFAULT = Parameters()


class MpCapableKeyAltered(SegmentRewriter):
    """Alters keys, the same key always to the same one."""

    def __init__(self, parameters: Parameters = DEFAULT) -> None:
        super().__init__(parameters.scope)
        self._parameters = parameters

    def rewritten(self, segment: TcpSegment, direction: Direction) -> bytes:  # noqa: ARG002 - any
        """Return the segment with another key, if it is of a chosen step and has one."""
        wanted = self._parameters
        step = step_of(segment)
        keys = [_SENDER_KEY] if step in wanted.steps else []
        if wanted.restored and Step.SYN_ACK in wanted.steps and step is Step.ACK:
            keys.append(_RECEIVER_KEY)
        if not keys:
            return segment.packet.frame
        return with_options(
            segment, altered(segment.options, _IS_MP_CAPABLE, lambda each: self._with(each, keys))
        )

    def _with(self, option: bytes, keys: Sequence[slice]) -> bytes:
        """Return the option with the last byte of some keys altered, as far as it has them."""
        edited = bytearray(option)
        for key in keys:
            if len(option) >= key.stop:
                edited[key.stop - 1] ^= self._parameters.mask
        return bytes(edited)
