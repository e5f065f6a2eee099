"""Rewrite one endpoint of a packet, in the packet an ICMP error quotes too; checksums stay valid.

RFC 3022 (traditional NAT), RFC 5508 (ICMP through a NAT), RFC 4443 (ICMPv6).
"""

import dataclasses
import enum
from dataclasses import dataclass

from mptcp_check.middleboxes.checksum import ones_sum, updated
from mptcp_check.middleboxes.frame import TCP, IpPacket

ICMP, UDP, ICMPV6 = 1, 17, 58

_IPV4, _IPV6 = 4, 6
_ADDRESS_BYTES = {_IPV4: 4, _IPV6: 16}
_IPV4_CHECKSUM = 10
_IPV4_HEADER_BYTES = 20
_IPV6_HEADER_BYTES = 40
_QUOTED_BYTES = 8
"""What an ICMP error quotes of the transport at least (RFC 792)."""
_ICMP_HEADER_BYTES = 8

_CHECKSUMS = {TCP: 16, UDP: 6, ICMP: 2, ICMPV6: 2}
_HEADERS = {TCP: 20, UDP: 8, ICMP: 8, ICMPV6: 8}
_ECHO = {ICMP: frozenset({0, 8}), ICMPV6: frozenset({128, 129})}
"""Echo request and reply by protocol: the identifier stands for a port (RFC 5508, REQ-1)."""
_ERRORS = {ICMP: frozenset({3, 4, 5, 11, 12}), ICMPV6: frozenset({1, 2, 3, 4})}
"""Messages that quote the packet they are about (RFC 792; RFC 4443, section 3)."""


class End(enum.Enum):
    """Which end of a packet; the value is its place in a header."""

    SOURCE = 0
    DESTINATION = 1


OTHER = {End.SOURCE: End.DESTINATION, End.DESTINATION: End.SOURCE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One end of a conversation as a NAT sees it."""

    family: int
    protocol: int
    address: bytes
    port: int
    """A port of TCP or UDP, or the identifier of an echo."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where an endpoint stands in a frame."""

    endpoint: Endpoint
    address_offset: int
    port_offset: int
    header_offset: int
    """Of the IP header that the address is in."""
    checksum_offset: int | None
    """Of the transport's checksum; none if it is not there, as in a quoted packet cut short."""
    quoted_in: IpPacket | None = None
    """The ICMP error around it."""


def place(packet: IpPacket, end: End) -> Place | None:
    """Find an end of a packet, none if a NAT cannot translate it.

    Args:
        packet: A whole packet, not a fragment.
        end: Which end.  In an ICMP error the quoted packet went the other way, so its other end
            is found.
    """
    if packet.fragment or packet.protocol not in _CHECKSUMS:
        return None
    start = packet.transport
    if start + _HEADERS[packet.protocol] > packet.end:
        return None
    if packet.frame[start] in _ERRORS.get(packet.protocol, ()):
        return _quoted(packet, OTHER[end])
    return _place(packet, end)


def _place(packet: IpPacket, end: End) -> Place | None:
    """Find an end in a packet of which the first eight bytes of the transport are there."""
    frame, start, protocol = packet.frame, packet.transport, packet.protocol
    if protocol in _ECHO:
        if frame[start] not in _ECHO[protocol]:
            return None
        port_offset = start + 4
    else:
        port_offset = start + 2 * end.value
    size = _ADDRESS_BYTES[packet.family]
    address_offset = packet.addresses.start + size * end.value
    checksum_offset = start + _CHECKSUMS[protocol]
    return Place(
        endpoint=Endpoint(
            family=packet.family,
            protocol=protocol,
            address=frame[address_offset : address_offset + size],
            port=int.from_bytes(frame[port_offset : port_offset + 2], "big"),
        ),
        address_offset=address_offset,
        port_offset=port_offset,
        header_offset=packet.offset,
        checksum_offset=checksum_offset if checksum_offset + 2 <= packet.end else None,
    )


def _quoted(error: IpPacket, end: End) -> Place | None:
    """Find an end of the packet that an ICMP error quotes, of which eight bytes may be all."""
    frame, offset, family = error.frame, error.transport + _ICMP_HEADER_BYTES, error.family
    if offset >= error.end or frame[offset] >> 4 != family:
        return None
    header_bytes = (frame[offset] & 0x0F) * 4 if family == _IPV4 else _IPV6_HEADER_BYTES
    start = offset + header_bytes
    if header_bytes < _IPV4_HEADER_BYTES or start + _QUOTED_BYTES > error.end:
        return None
    protocol = frame[offset + (9 if family == _IPV4 else 6)]
    if protocol not in _CHECKSUMS:
        return None
    quoted = IpPacket(
        frame=frame,
        family=family,
        offset=offset,
        protocol=protocol,
        transport=start,
        end=error.end,
        fragment=False,
    )
    found = _place(quoted, end)
    return None if found is None else dataclasses.replace(found, quoted_in=error)


def rewritten(packet: IpPacket, at: Place, address: bytes, port: int, end: End) -> bytes:
    """Return the frame with another endpoint in a place.

    Args:
        packet: The packet the place was found in.
        at: What `place` found for ``end``.
        address: Of the packet's family.
        port: A port, or an echo's identifier.
        end: The same as was given to `place`.
    """
    frame = bytearray(packet.frame)
    if at.quoted_in is None:
        _put(frame, at, address, port)
        return bytes(frame)
    # The error's own checksum covers the quote, and with ICMPv6 its own addresses too.
    before = ones_sum(frame[packet.transport : packet.end])
    _put(frame, at, address, port)
    after = ones_sum(frame[packet.transport : packet.end])
    size = len(address)
    start = packet.addresses.start + size * end.value
    if frame[start : start + size] == at.endpoint.address:  # a router's error keeps its sender
        frame[start : start + size] = address
        moved = ones_sum(at.endpoint.address), ones_sum(address)
        if packet.family == _IPV4:
            _adjust(frame, packet.offset + _IPV4_CHECKSUM, *moved)
        else:
            before, after = before + moved[0], after + moved[1]
    _adjust(frame, packet.transport + _CHECKSUMS[packet.protocol], before, after)
    return bytes(frame)


def _put(frame: bytearray, at: Place, address: bytes, port: int) -> None:
    """Write an endpoint and adjust the checksums of its own IP header and transport."""
    addresses_before = ones_sum(at.endpoint.address)
    addresses_after = ones_sum(address)
    frame[at.address_offset : at.address_offset + len(address)] = address
    frame[at.port_offset : at.port_offset + 2] = port.to_bytes(2, "big")
    if at.endpoint.family == _IPV4:
        _adjust(frame, at.header_offset + _IPV4_CHECKSUM, addresses_before, addresses_after)
    if at.checksum_offset is None:
        return
    protocol = at.endpoint.protocol
    field = int.from_bytes(frame[at.checksum_offset : at.checksum_offset + 2], "big")
    if protocol == UDP and field == 0:  # the sender computed none (RFC 768)
        return
    before, after = at.endpoint.port, port
    if protocol != ICMP:  # ICMP over IPv4 has no pseudo-header
        before, after = before + addresses_before, after + addresses_after
    _adjust(frame, at.checksum_offset, before, after)
    if protocol == UDP and not any(frame[at.checksum_offset : at.checksum_offset + 2]):
        frame[at.checksum_offset : at.checksum_offset + 2] = b"\xff\xff"  # RFC 768


def _adjust(frame: bytearray, offset: int, before: int, after: int) -> None:
    field = int.from_bytes(frame[offset : offset + 2], "big")
    frame[offset : offset + 2] = updated(field, before, after).to_bytes(2, "big")
