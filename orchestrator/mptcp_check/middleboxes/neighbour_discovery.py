"""What a NAT in the middle of an Ethernet does with IPv6 neighbour discovery (RFC 4861).

The outer address is the box's own: it answers solicitations for it.  Link-local addresses are not
translated, but whoever asks for the client's gets the box's Ethernet address.
"""

from mptcp_check.middleboxes.checksum import ones_sum, updated
from mptcp_check.middleboxes.frame import ETHERNET_HEADER_BYTES, IpPacket
from mptcp_check.middleboxes.station import Station, sent_by, sent_to
from mptcp_check.middleboxes.translation import ICMPV6

_SOLICITATION, _ADVERTISEMENT = 135, 136
_OPTIONS_OFFSETS = {133: 8, 134: 16, _SOLICITATION: 24, _ADVERTISEMENT: 24, 137: 40}
"""Router solicitation and advertisement, the neighbour messages, redirect (RFC 4861, section 4)."""
_SOURCE_LINK_LAYER, _TARGET_LINK_LAYER = 1, 2
_SOLICITED_OVERRIDE = 0x60
_HOP_LIMIT = 255
_LINK_LOCAL = b"\xfe\x80"
_UNSPECIFIED = bytes(16)
_CHECKSUM = 2


def is_discovery(packet: IpPacket) -> bool:
    """Say whether a packet is a neighbour discovery message that is there whole."""
    if packet.protocol != ICMPV6 or packet.family == 4 or packet.fragment:  # noqa: PLR2004 - family
        return False
    kind = packet.frame[packet.transport : packet.transport + 1]
    size = _OPTIONS_OFFSETS.get(kind[0]) if kind else None
    return size is not None and packet.transport + size <= packet.end


def answer(packet: IpPacket, box: Station) -> bytes | None:
    """Return the box's advertisement for its outer address, none if nobody asks for that."""
    if packet.frame[packet.transport] != _SOLICITATION or _target(packet) != box.ipv6:
        return None
    if packet.source == _UNSPECIFIED:  # somebody else wants to use the address: not answered
        return None
    head = bytes((_ADVERTISEMENT, 0, 0, 0, _SOLICITED_OVERRIDE, 0, 0, 0))
    message = head + box.ipv6 + bytes((_TARGET_LINK_LAYER, 1)) + box.mac
    addresses = box.ipv6 + packet.source
    covered = ones_sum(addresses + message) + len(message) + ICMPV6
    message = message[:_CHECKSUM] + updated(0xFFFF, 0, covered).to_bytes(2, "big") + message[4:]
    header = b"\x60\0\0\0" + len(message).to_bytes(2, "big") + bytes((ICMPV6, _HOP_LIMIT))
    tags = packet.frame[ETHERNET_HEADER_BYTES - 2 : packet.offset]
    return packet.frame[6:12] + box.mac + tags + header + addresses + message


def outbound(packet: IpPacket, box: Station) -> bytes | None:
    """Return the client's message as the box sends it, none for what only claims an address."""
    if packet.source == _UNSPECIFIED:
        return None
    kind = packet.frame[packet.transport]
    if kind == _ADVERTISEMENT and _target(packet)[:2] != _LINK_LOCAL:
        return None
    source = packet.source if packet.source[:2] == _LINK_LOCAL else box.ipv6
    frame = _rewritten(packet, source + packet.destination, box.mac)
    return None if frame is None else sent_by(frame, box)


def inbound(packet: IpPacket, box: Station, client: Station) -> bytes | None:
    """Return the server's message as the client is to get it, none if it is not for the client."""
    kind = packet.frame[packet.transport]
    if kind == _SOLICITATION and _target(packet)[:2] != _LINK_LOCAL:
        return None
    destination = client.ipv6 if packet.destination == box.ipv6 else packet.destination
    frame = _rewritten(packet, packet.source + destination, None)
    return None if frame is None else sent_to(frame, client)


def _target(packet: IpPacket) -> bytes:
    return packet.frame[packet.transport + 8 : packet.transport + 24]


def _rewritten(packet: IpPacket, addresses: bytes, mac: bytes | None) -> bytes | None:
    """Return the frame with other addresses and, if given, another link-layer address inside.

    None if the options of the message are malformed (RFC 4861, section 4.6: silently discard).
    """
    frame = bytearray(packet.frame)
    before = ones_sum(frame[packet.addresses]) + ones_sum(frame[packet.transport : packet.end])
    frame[packet.addresses] = addresses
    at = packet.transport + _OPTIONS_OFFSETS[frame[packet.transport]]
    while at < packet.end:
        size = frame[at + 1] * 8 if at + 1 < packet.end else 0
        if size == 0 or at + size > packet.end:
            return None
        if mac is not None and frame[at] in {_SOURCE_LINK_LAYER, _TARGET_LINK_LAYER}:
            frame[at + 2 : at + 8] = mac
        at += size
    after = ones_sum(addresses) + ones_sum(frame[packet.transport : packet.end])
    field = packet.transport + _CHECKSUM
    checksum = updated(int.from_bytes(frame[field : field + 2], "big"), before, after)
    frame[field : field + 2] = checksum.to_bytes(2, "big")
    return bytes(frame)
