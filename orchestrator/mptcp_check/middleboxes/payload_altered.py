"""Bytes of the stream change on the way, the length stays, the TCP checksum is made right again.

Real boxes: gateways that rewrite addresses inside application data, proxies that insert tracking
headers of the same length, ad replacers, and faulty hardware that computes the TCP checksum after
it has damaged the bytes (Stone and Partridge, "When the CRC and TCP checksum disagree", 2000).

Linux 6.18: with DSS checksums off the wrong bytes are delivered and nothing is counted.  With
them on and one subflow: ``MPTcpExtDataCsumErr`` and MP_FAIL, an infinite mapping, plain TCP from
there, the wrong bytes delivered; in the very first mapping there is no MP_FAIL, options just
stop.  With two subflows that subflow is reset with reason 6 and its data sent again on the other:
the file is right (measured; RFC 8684, sections 3.3.1 and 3.7).  All that with one mapping in
flight at a time.  In a bulk transfer, where the first mapping is tens of kilobytes long, the one
subflow's fallback makes the receiver take what is sent again at the data level for new bytes, or
stalls until the application gives up (measured, kernel 6.18).
"""

from collections import OrderedDict
from dataclasses import dataclass, field

from mptcp_check.middleboxes.frame import TcpSegment, rebuilt
from mptcp_check.middleboxes.rewriting import SegmentRewriter
from mptcp_check.middleboxes.scope import EVERYTHING, Scope
from mptcp_check.model import Direction

_MAX_FLOWS = 4096
_SEQUENCE_MASK = 0xFFFFFFFF


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """Which bytes, and how: the default flips one byte of bulk data and spares control lines."""

    minimum_payload_bytes: int = 1000
    """Shorter segments are not counted and not chosen."""
    skip_count: int = 0
    """How many segments that are long enough pass before the first is chosen."""
    segment_count: int = 1
    """How many segments are chosen, per TCP connection and direction."""
    offset_bytes: int = 500
    """Where in the payload the altered bytes start, or its last byte if it is shorter."""
    length_bytes: int = 1
    """How many bytes are altered, as far as the payload goes."""
    mask: int = 0xFF
    """Is XORed onto each byte; 1 to 255."""
    scope: Scope = EVERYTHING

    def __post_init__(self) -> None:
        if not 1 <= self.mask <= 0xFF:  # noqa: PLR2004 - a byte
            raise ValueError(f"mask must be 1 to 255, not {self.mask}: zero would alter nothing")
        if self.minimum_payload_bytes < 1 or self.offset_bytes < 0 or self.length_bytes < 1:
            raise ValueError("a segment needs a byte to alter, at an offset of zero or more")


DEFAULT = Parameters()


@dataclass(slots=True, kw_only=True)
class _Flow:
    """One direction of one TCP connection."""

    next_sequence: int | None = None
    """After the newest byte seen; a segment before it is a copy, and not counted again."""
    seen_count: int = 0
    spots: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    """Sequence number of the first altered byte and number of bytes, per chosen segment."""


class PayloadAltered(SegmentRewriter):
    """Flips bits of chosen stream bytes, in every copy of them that passes.

    A retransmission gets the same change as the first copy: a box that rewrites content rewrites
    it again, and a change that a loss undoes would be no ground truth.
    """

    def __init__(self, parameters: Parameters = DEFAULT) -> None:
        super().__init__(parameters.scope)
        self._parameters = parameters
        self._flows: OrderedDict[bytes, _Flow] = OrderedDict()

    def rewritten(self, segment: TcpSegment, direction: Direction) -> bytes:  # noqa: ARG002 - any
        """Return the segment with the chosen bytes altered, if it holds any."""
        if segment.is_syn or segment.is_syn_ack:
            self._flows.pop(segment.flow, None)  # ports are used again
            return segment.packet.frame
        if not segment.payload_bytes:
            return segment.packet.frame
        flow = self._flow(segment.flow)
        self._choose(flow, segment)
        payload = bytearray(segment.payload)
        for sequence, length in flow.spots:
            self._flip(payload, (sequence - segment.sequence) & _SEQUENCE_MASK, length)
        if payload == segment.payload:
            return segment.packet.frame
        return rebuilt(segment, payload=bytes(payload))

    def _flow(self, key: bytes) -> _Flow:
        flow = self._flows.setdefault(key, _Flow())
        self._flows.move_to_end(key)
        if len(self._flows) > _MAX_FLOWS:
            self._flows.popitem(last=False)
        return flow

    def _choose(self, flow: _Flow, segment: TcpSegment) -> None:
        """Mark a place in a segment that is new and long enough, while there are any to mark."""
        wanted = self._parameters
        newest = segment.sequence if flow.next_sequence is None else flow.next_sequence
        # The other half of the number circle holds bytes seen before.
        if (segment.sequence - newest) & _SEQUENCE_MASK > _SEQUENCE_MASK // 2:
            return
        flow.next_sequence = (segment.sequence + segment.payload_bytes) & _SEQUENCE_MASK
        if segment.payload_bytes < wanted.minimum_payload_bytes:
            return
        flow.seen_count += 1
        if not 0 < flow.seen_count - wanted.skip_count <= wanted.segment_count:
            return
        at = min(wanted.offset_bytes, segment.payload_bytes - 1)
        length = min(wanted.length_bytes, segment.payload_bytes - at)
        flow.spots.append(((segment.sequence + at) & _SEQUENCE_MASK, length))

    def _flip(self, payload: bytearray, start: int, length: int) -> None:
        """Alter what of ``length`` bytes from ``start``, counted round the circle, lies here."""
        for at in range(start, start + length):
            if at & _SEQUENCE_MASK < len(payload):
                payload[at & _SEQUENCE_MASK] ^= self._parameters.mask
