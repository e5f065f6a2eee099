"""Change single fields of the IP and TCP headers; what covers them stays as right as it was."""

from mptcp_check.middleboxes.checksum import ones_sum, updated
from mptcp_check.middleboxes.frame import IpPacket, TcpSegment

IPV4 = 4

SEQUENCE, ACKNOWLEDGEMENT, OFFSET_AND_RESERVED, FLAGS, WINDOW, CHECKSUM, URGENT = (
    (4, 4),
    (8, 4),
    (12, 1),
    (13, 1),
    (14, 2),
    (16, 2),
    (18, 2),
)
"""Where the fields of the TCP header are and how many bytes they have (RFC 9293, section 3.1)."""

_IPV4_CHECKSUM = 10
_VERSION_AND_CLASS = 0


def tcp_field(segment: TcpSegment, field: tuple[int, int]) -> int:
    """Return the number in a field of the TCP header."""
    at, size = field
    start = segment.packet.transport + at
    return int.from_bytes(segment.packet.frame[start : start + size], "big")


def with_tcp_field(segment: TcpSegment, field: tuple[int, int], value: int) -> bytes:
    """Return the frame with another number in a field of the TCP header, the checksum updated.

    The same object comes back if nothing changed.

    Args:
        segment: What `frame.tcp_segment` found.
        field: One of this module's; `CHECKSUM` itself is written and not updated.
        value: As large as the field allows.
    """
    at, size = field
    start = segment.packet.transport
    written = None if field == CHECKSUM else start + CHECKSUM[0]
    return _written(segment.packet.frame, start, at, value.to_bytes(size, "big"), written)


def traffic_class(packet: IpPacket) -> int:
    """Return the byte with DSCP and ECN (RFC 2474, section 3; RFC 3168, section 5)."""
    frame, at = packet.frame, packet.offset
    if packet.family == IPV4:
        return frame[at + 1]
    return (frame[at] & 0x0F) << 4 | frame[at + 1] >> 4


def with_traffic_class(packet: IpPacket, value: int) -> bytes:
    """Return the frame with another DSCP and ECN, the same object if they are the same."""
    if packet.family == IPV4:
        return _with_ip_bytes(packet, 1, bytes((value,)))
    first, second = packet.frame[packet.offset : packet.offset + 2]
    changed = bytes((first & 0xF0 | value >> 4, (value & 0x0F) << 4 | second & 0x0F))
    return _with_ip_bytes(packet, _VERSION_AND_CLASS, changed)


def hop_limit(packet: IpPacket) -> int:
    """Return the time to live (RFC 791) or the hop limit (RFC 8200)."""
    return packet.frame[packet.offset + (8 if packet.family == IPV4 else 7)]


def with_hop_limit(packet: IpPacket, value: int) -> bytes:
    """Return the frame with another hop limit, the same object if it is the same."""
    return _with_ip_bytes(packet, 8 if packet.family == IPV4 else 7, bytes((value,)))


def with_identification(packet: IpPacket, value: int) -> bytes:
    """Return the frame of an IPv4 packet with another identification (RFC 791, section 3.1)."""
    return _with_ip_bytes(packet, 4, value.to_bytes(2, "big"))


def is_checksum_valid(segment: TcpSegment) -> bool:
    """Say whether the receiver of a segment will take it (RFC 9293, section 3.1)."""
    packet = segment.packet
    covered = packet.frame[packet.transport : packet.end]
    pseudo = ones_sum(packet.frame[packet.addresses]) + packet.protocol + len(covered)
    return (pseudo + ones_sum(covered)) % 0xFFFF == 0


def _with_ip_bytes(packet: IpPacket, at: int, changed: bytes) -> bytes:
    """Write into the IP header; no checksum but IPv4's covers what this module changes there."""
    checksum = packet.offset + _IPV4_CHECKSUM if packet.family == IPV4 else None
    return _written(packet.frame, packet.offset, at, changed, checksum)


def _written(frame: bytes, header: int, at: int, changed: bytes, checksum: int | None) -> bytes:
    """Write bytes at an offset of a header and update the checksum that covers the header."""
    start, end = header + at, header + at + len(changed)
    if frame[start:end] == changed:
        return frame
    after = bytearray(frame)
    after[start:end] = changed
    if checksum is not None:
        # Whole words, counted from the start of the header.
        words = slice(header + (at & ~1), header + (at + len(changed) + 1 & ~1))
        field = int.from_bytes(frame[checksum : checksum + 2], "big")
        field = updated(field, ones_sum(frame[words]), ones_sum(after[words]))
        after[checksum : checksum + 2] = field.to_bytes(2, "big")
    return bytes(after)
