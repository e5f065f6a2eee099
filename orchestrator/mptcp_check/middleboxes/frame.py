"""Find IP and TCP in an Ethernet frame without ever raising, and rebuild what was changed.

Frames come from a guest or from the network, so every length in them is a claim.  What cannot be
understood whole is ``None`` here, and behaviours pass it on unchanged.  Fragments are not
understood as TCP: the header is in the first one only.
"""

from dataclasses import dataclass

from mptcp_check.middleboxes.checksum import ones_sum, updated

ETHERNET_HEADER_BYTES = 14
ETHERTYPE_IPV4 = 0x0800
ETHERTYPE_ARP = 0x0806
ETHERTYPE_IPV6 = 0x86DD
VLAN_TAGS = frozenset({0x8100, 0x88A8, 0x9100})
"""IEEE 802.1Q, 802.1ad, and the number that equipment used before 802.1ad for outer tags."""

TCP = 6
FIN, SYN, RST, PSH, ACK = 0x01, 0x02, 0x04, 0x08, 0x10
TCP_HEADER_BYTES = 20
MAX_OPTIONS_BYTES = 40
"""The data offset has four bits of 32-bit words: 60 bytes, 20 of them fixed (RFC 9293, 3.1)."""

_IPV4_HEADER_BYTES = 20
_IPV6_HEADER_BYTES = 40
_MAX_IPV4_TOTAL_BYTES = 0xFFFF
_MAX_IPV6_PAYLOAD_BYTES = 0xFFFF

_IPV6_FRAGMENT = 44
_IPV6_AUTHENTICATION = 51
_IPV6_EXTENSIONS = frozenset({0, 43, 60, _IPV6_FRAGMENT, _IPV6_AUTHENTICATION})
"""Hop-by-hop, routing, destination options, fragment, authentication (RFC 8200, section 4)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IpPacket:
    """An IP packet inside a frame: offsets into the frame's bytes."""

    frame: bytes
    family: int
    """4 or 6."""
    offset: int
    """Of the IP header."""
    protocol: int
    """Of the transport, after IPv6 extension headers."""
    transport: int
    """Offset of the transport header."""
    end: int
    """Offset after the packet's last byte; Ethernet padding may follow."""
    fragment: bool
    """Whether this is a piece of a larger packet."""

    @property
    def addresses(self) -> slice:
        """Where source and destination address stand in the frame, one after the other."""
        start = self.offset + (12 if self.family == 4 else 8)  # noqa: PLR2004 - RFC 791, RFC 8200
        return slice(start, start + (8 if self.family == 4 else 32))  # noqa: PLR2004 - the same

    @property
    def source(self) -> bytes:
        """The source address, 4 or 16 bytes."""
        both = self.frame[self.addresses]
        return both[: len(both) // 2]

    @property
    def destination(self) -> bytes:
        """The destination address, 4 or 16 bytes."""
        both = self.frame[self.addresses]
        return both[len(both) // 2 :]


@dataclass(frozen=True, slots=True, kw_only=True)
class TcpSegment:
    """A whole TCP segment inside a frame; the header fields of RFC 9293, section 3.1."""

    packet: IpPacket
    source_port: int
    destination_port: int
    sequence: int
    flags: int
    """The eight flag bits, CWR to FIN."""
    payload_offset: int
    """In the frame, where the options end."""

    @property
    def options(self) -> bytes:
        """The bytes between the fixed header and the payload, 0 to 40."""
        return self.packet.frame[self.packet.transport + TCP_HEADER_BYTES : self.payload_offset]

    @property
    def payload(self) -> bytes:
        """The bytes of the stream in this segment."""
        return self.packet.frame[self.payload_offset : self.packet.end]

    @property
    def payload_bytes(self) -> int:
        """How many bytes of the stream are in this segment."""
        return self.packet.end - self.payload_offset

    @property
    def flow(self) -> bytes:
        """Addresses and ports as seen from the sender: a key for a table of one-way flows."""
        packet = self.packet
        ports = packet.frame[packet.transport : packet.transport + 4]
        return packet.frame[packet.addresses] + ports

    @property
    def connection(self) -> bytes:
        """Addresses and ports of both ends, the same for both directions: a key for a table."""
        frame, packet = self.packet.frame, self.packet
        ends = (
            packet.source + frame[packet.transport : packet.transport + 2],
            packet.destination + frame[packet.transport + 2 : packet.transport + 4],
        )
        return min(ends) + max(ends)

    @property
    def acknowledgement(self) -> int:
        """The acknowledgement number; it means something only with the ACK flag."""
        at = self.packet.transport + 8
        return int.from_bytes(self.packet.frame[at : at + 4], "big")

    @property
    def is_syn(self) -> bool:
        """Whether this opens a connection: SYN without ACK."""
        return self.flags & (SYN | ACK) == SYN

    @property
    def is_syn_ack(self) -> bool:
        """Whether this accepts a connection."""
        return self.flags & (SYN | ACK) == SYN | ACK


def network_layer(frame: bytes) -> tuple[int, int] | None:
    """Return the EtherType and the offset of what it names, after any VLAN tags."""
    offset = ETHERNET_HEADER_BYTES
    ethertype = int.from_bytes(frame[12:14], "big")
    while ethertype in VLAN_TAGS:
        ethertype = int.from_bytes(frame[offset + 2 : offset + 4], "big")
        offset += 4
    return (ethertype, offset) if offset <= len(frame) else None


def ip_packet(frame: bytes) -> IpPacket | None:
    """Find the IP packet of a frame, or nothing if there is none or it is cut or malformed."""
    found = network_layer(frame)
    if found is None:
        return None
    ethertype, offset = found
    if ethertype == ETHERTYPE_IPV4:
        return _ipv4(frame, offset)
    if ethertype == ETHERTYPE_IPV6:
        return _ipv6(frame, offset)
    return None


def _ipv4(frame: bytes, offset: int) -> IpPacket | None:
    if len(frame) < offset + _IPV4_HEADER_BYTES or frame[offset] >> 4 != 4:  # noqa: PLR2004 - version
        return None
    header_bytes = (frame[offset] & 0x0F) * 4
    total_bytes = int.from_bytes(frame[offset + 2 : offset + 4], "big")
    end = offset + total_bytes
    if not _IPV4_HEADER_BYTES <= header_bytes <= total_bytes or end > len(frame):
        return None
    # More fragments, or a fragment offset: all of this word but "don't fragment" and "reserved".
    fragment = int.from_bytes(frame[offset + 6 : offset + 8], "big") & 0x3FFF != 0
    return IpPacket(
        frame=frame,
        family=4,
        offset=offset,
        protocol=frame[offset + 9],
        transport=offset + header_bytes,
        end=end,
        fragment=fragment,
    )


def _ipv6(frame: bytes, offset: int) -> IpPacket | None:
    if len(frame) < offset + _IPV6_HEADER_BYTES or frame[offset] >> 4 != 6:  # noqa: PLR2004 - version
        return None
    transport = offset + _IPV6_HEADER_BYTES
    end = transport + int.from_bytes(frame[offset + 4 : offset + 6], "big")
    if end > len(frame):
        return None
    protocol, fragment = frame[offset + 6], False
    while protocol in _IPV6_EXTENSIONS:
        if transport + 8 > end:
            return None
        fragment = fragment or protocol == _IPV6_FRAGMENT
        length = frame[transport + 1]
        size = {_IPV6_FRAGMENT: 8, _IPV6_AUTHENTICATION: (length + 2) * 4}.get(
            protocol, (length + 1) * 8
        )
        protocol = frame[transport]
        transport += size
    if transport > end:
        return None
    return IpPacket(
        frame=frame,
        family=6,
        offset=offset,
        protocol=protocol,
        transport=transport,
        end=end,
        fragment=fragment,
    )


def tcp_segment(frame: bytes) -> TcpSegment | None:
    """Find the TCP segment of a frame, or nothing if there is none or it is not there whole."""
    packet = ip_packet(frame)
    if packet is None or packet.protocol != TCP or packet.fragment:
        return None
    start = packet.transport
    if start + TCP_HEADER_BYTES > packet.end:
        return None
    header_bytes = (frame[start + 12] >> 4) * 4
    if header_bytes < TCP_HEADER_BYTES or start + header_bytes > packet.end:
        return None
    return TcpSegment(
        packet=packet,
        source_port=int.from_bytes(frame[start : start + 2], "big"),
        destination_port=int.from_bytes(frame[start + 2 : start + 4], "big"),
        sequence=int.from_bytes(frame[start + 4 : start + 8], "big"),
        flags=frame[start + 13],
        payload_offset=start + header_bytes,
    )


def rebuilt(
    segment: TcpSegment, *, options: bytes | None = None, payload: bytes | None = None
) -> bytes:
    """Return the frame with other options or another payload, lengths and checksums adjusted.

    Checksums are updated incrementally (RFC 1624), so one that was wrong stays wrong.

    Args:
        segment: What `tcp_segment` found.
        options: The new options, padded to a multiple of four, at most 40 bytes; none keeps them.
        payload: The new payload; none keeps it.

    Returns:
        The whole frame, with what followed the packet in it.

    Raises:
        ValueError: The options do not fit a TCP header, or the packet would be too long for IP.
    """
    packet = segment.packet
    options = segment.options if options is None else options
    payload = segment.payload if payload is None else payload
    if len(options) % 4 or len(options) > MAX_OPTIONS_BYTES:
        raise ValueError(f"TCP options of {len(options)} bytes do not fit the header")

    frame = packet.frame
    before = frame[packet.transport : packet.end]
    fixed = bytearray(before[:TCP_HEADER_BYTES])
    fixed[12] = (TCP_HEADER_BYTES + len(options)) // 4 << 4 | fixed[12] & 0x0F
    after = bytes(fixed) + options + payload
    # The TCP length is a word of the pseudo-header, so it counts with the bytes.
    checksum = updated(
        int.from_bytes(fixed[16:18], "big"),
        ones_sum(before) + len(before),
        ones_sum(after) + len(after),
    )
    network = _with_length(packet, len(after) - len(before))
    return b"".join(
        (
            frame[: packet.offset],
            network,
            after[:16],
            checksum.to_bytes(2, "big"),
            after[18:],
            frame[packet.end :],
        )
    )


def _with_length(packet: IpPacket, growth: int) -> bytes:
    """Return the IP header, with extension headers, for a packet that grew by some bytes."""
    header = bytearray(packet.frame[packet.offset : packet.transport])
    if growth == 0:
        return bytes(header)
    at, limit = (2, _MAX_IPV4_TOTAL_BYTES) if packet.family == 4 else (4, _MAX_IPV6_PAYLOAD_BYTES)  # noqa: PLR2004 - family
    before = int.from_bytes(header[at : at + 2], "big")
    after = before + growth
    if after > limit:
        raise ValueError(f"an IPv{packet.family} packet cannot hold {after} bytes")
    header[at : at + 2] = after.to_bytes(2, "big")
    if packet.family == 4:  # noqa: PLR2004 - family
        field = updated(int.from_bytes(header[10:12], "big"), before, after)
        header[10:12] = field.to_bytes(2, "big")
    return bytes(header)
