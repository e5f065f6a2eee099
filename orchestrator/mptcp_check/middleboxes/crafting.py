"""Make TCP segments that no end sent, between the ends of one that was seen."""

from dataclasses import dataclass

from mptcp_check.middleboxes.checksum import ones_sum, updated
from mptcp_check.middleboxes.frame import TCP, TCP_HEADER_BYTES, TcpSegment
from mptcp_check.middleboxes.sequence import MASK

DEFAULT_TTL = 64
"""Time to live or hop limit of a host on the same link."""
MAX_TTL = 255
_DONT_FRAGMENT = b"\x40\x00"
_IPV4_HEADER_BYTES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Road:
    """Where a made segment goes: from one end of a connection to the other, on one link."""

    ethernet: bytes
    """Destination, source, any VLAN tags, EtherType."""
    addresses: bytes
    """Source and destination address."""
    ports: bytes
    """Source and destination port."""

    @classmethod
    def along(cls, segment: TcpSegment) -> "Road":
        """Return the way that a segment goes."""
        packet = segment.packet
        return cls(
            ethernet=packet.frame[: packet.offset],
            addresses=packet.frame[packet.addresses],
            ports=packet.frame[packet.transport : packet.transport + 4],
        )

    @property
    def connection(self) -> bytes:
        """The same key as `TcpSegment.connection` of a segment that goes here."""
        size = len(self.addresses) // 2
        ends = (self.addresses[:size] + self.ports[:2], self.addresses[size:] + self.ports[2:])
        return min(ends) + max(ends)

    def back(self) -> "Road":
        """Return the way back."""
        size = len(self.addresses) // 2
        return Road(
            ethernet=self.ethernet[6:12] + self.ethernet[:6] + self.ethernet[12:],
            addresses=self.addresses[size:] + self.addresses[:size],
            ports=self.ports[2:] + self.ports[:2],
        )


def crafted(
    road: Road,
    *,
    sequence: int,
    acknowledgment: int,
    flags: int,
    window: int,
    options: bytes = b"",
    payload: bytes = b"",
    ttl: int = DEFAULT_TTL,
) -> bytes:
    """Return a frame with a TCP segment, checksums right.

    Args:
        road: From whom it seems to come and to whom it goes.
        sequence: Taken modulo 2**32.
        acknowledgment: Taken modulo 2**32.
        flags: All eight.
        window: The field, not scaled.
        options: A multiple of four bytes, at most 40.
        payload: So short that the packet fits IP.
        ttl: Time to live or hop limit, 1 to 255.
    """
    words = (TCP_HEADER_BYTES + len(options)) // 4
    header = (
        road.ports
        + (sequence & MASK).to_bytes(4, "big")
        + (acknowledgment & MASK).to_bytes(4, "big")
        + bytes((words << 4, flags))
        + window.to_bytes(2, "big")
    )
    length = TCP_HEADER_BYTES + len(options) + len(payload)
    covered = ones_sum(road.addresses) + TCP + length + ones_sum(header)
    covered += ones_sum(options) + ones_sum(payload)
    checksum = updated(0xFFFF, 0, covered).to_bytes(2, "big")
    tcp = header + checksum + b"\0\0" + options + payload
    return road.ethernet + _network(road.addresses, length, ttl) + tcp


def check_ttl(ttl: int) -> None:
    """See that a number is a time to live or a hop limit.

    Raises:
        ValueError: It does not fit, or the packet would not leave.
    """
    if not 0 < ttl <= MAX_TTL:
        raise ValueError(f"a TTL or hop limit is 1 to {MAX_TTL}, not {ttl}")


def _network(addresses: bytes, length: int, ttl: int) -> bytes:
    """Return the IP header for a TCP segment of a length."""
    if len(addresses) != 8:  # noqa: PLR2004 - not two IPv4 addresses
        return b"\x60\0\0\0" + length.to_bytes(2, "big") + bytes((TCP, ttl)) + addresses
    total = (_IPV4_HEADER_BYTES + length).to_bytes(2, "big")
    head = b"\x45\0" + total + b"\0\0" + _DONT_FRAGMENT + bytes((ttl, TCP))
    checksum = updated(0xFFFF, 0, ones_sum(head) + ones_sum(addresses))
    return head + checksum.to_bytes(2, "big") + addresses
