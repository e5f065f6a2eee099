"""A RST in the name of who was addressed (RFC 9293, sections 3.5.2 and 3.10.7.1)."""

import abc
from collections.abc import Sequence

from mptcp_check.middleboxes.behaviour import Emission, opposite
from mptcp_check.middleboxes.checksum import ones_sum
from mptcp_check.middleboxes.frame import (
    ACK,
    FIN,
    RST,
    SYN,
    TCP,
    TCP_HEADER_BYTES,
    TcpSegment,
    tcp_segment,
)
from mptcp_check.middleboxes.scope import Scope
from mptcp_check.middleboxes.station import MAC_BYTES
from mptcp_check.model import Direction

DEFAULT_HOP_LIMIT = 64
MAX_HOP_LIMIT = 0xFF

_MODULUS = 0xFFFF
_SEQUENCE_MASK = 0xFFFFFFFF
_IPV4_DONT_FRAGMENT = 0x4000
_IPV4_HEADER_BYTES = 20


def reset_for(segment: TcpSegment, *, hop_limit: int = DEFAULT_HOP_LIMIT) -> bytes:
    """Return the frame with the RST that a host without such a connection would answer.

    A segment with ACK gets its acknowledgement number as the sequence number of the RST and no
    ACK; one without gets sequence number zero and an ACK for all that it took up.

    Args:
        segment: What the RST answers.
        hop_limit: Of the RST's packet: by default, that of a host on the same link.
    """
    if segment.flags & ACK:
        sequence, acknowledged, flags = segment.acknowledgement, 0, RST
    else:
        taken = segment.payload_bytes + bool(segment.flags & SYN) + bool(segment.flags & FIN)
        sequence, acknowledged, flags = 0, segment.sequence + taken, RST | ACK
    packet = segment.packet
    addresses = packet.destination + packet.source
    header = bytearray(TCP_HEADER_BYTES)
    header[0:2] = segment.destination_port.to_bytes(2, "big")
    header[2:4] = segment.source_port.to_bytes(2, "big")
    header[4:8] = sequence.to_bytes(4, "big")
    header[8:12] = (acknowledged & _SEQUENCE_MASK).to_bytes(4, "big")
    header[12:14] = bytes((TCP_HEADER_BYTES // 4 << 4, flags))
    covered = ones_sum(addresses) + TCP + len(header) + ones_sum(header)
    header[16:18] = (_MODULUS - covered % _MODULUS).to_bytes(2, "big")
    frame = packet.frame
    macs = frame[MAC_BYTES : 2 * MAC_BYTES] + frame[:MAC_BYTES]
    tags = frame[2 * MAC_BYTES : packet.offset]  # any VLAN tags, and the EtherType
    network = _ipv4 if packet.family == 4 else _ipv6  # noqa: PLR2004 - family
    return macs + tags + network(addresses, hop_limit) + header


def _ipv4(addresses: bytes, hop_limit: int) -> bytes:
    header = bytearray(_IPV4_HEADER_BYTES)
    header[0] = 0x45
    header[2:4] = (_IPV4_HEADER_BYTES + TCP_HEADER_BYTES).to_bytes(2, "big")
    header[6:8] = _IPV4_DONT_FRAGMENT.to_bytes(2, "big")
    header[8:10] = bytes((hop_limit, TCP))
    header[12:] = addresses
    header[10:12] = (_MODULUS - ones_sum(header)).to_bytes(2, "big")
    return bytes(header)


def _ipv6(addresses: bytes, hop_limit: int) -> bytes:
    size = TCP_HEADER_BYTES.to_bytes(2, "big")
    return b"\x60\0\0\0" + size + bytes((TCP, hop_limit)) + addresses


def check_hop_limit(hop_limit: int) -> None:
    """See that a number is a hop limit.

    Raises:
        ValueError: It does not fit, or the packet would not leave.
    """
    if not 0 < hop_limit <= MAX_HOP_LIMIT:
        raise ValueError(f"a hop limit is 1 to {MAX_HOP_LIMIT}, not {hop_limit}")


class SegmentRefuser(abc.ABC):
    """A behaviour that answers chosen segments with a RST and does not pass them on.

    Args:
        scope: Which segments it looks at; the others pass.
        hop_limit: Of the RSTs.
    """

    def __init__(self, scope: Scope, hop_limit: int) -> None:
        self._watch = scope.watch()
        self._hop_limit = hop_limit
        self._acted_count = 0

    @property
    def acted_count(self) -> int:
        """How many segments were refused."""
        return self._acted_count

    @abc.abstractmethod
    def refuses(self, segment: TcpSegment) -> bool:
        """Say whether a segment is refused."""

    def on_frame(self, frame: bytes, direction: Direction, now_ns: int) -> Sequence[Emission]:
        """Pass a frame or answer it; see `Behaviour.on_frame`."""
        segment = tcp_segment(frame)
        if segment is None or not (
            self._watch.covers(segment, direction) and self.refuses(segment)
        ):
            return (Emission(frame=frame, direction=direction, at_ns=now_ns),)
        self._acted_count += 1
        answer = reset_for(segment, hop_limit=self._hop_limit)
        return (Emission(frame=answer, direction=opposite(direction), at_ns=now_ns),)
