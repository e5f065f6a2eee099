"""What a NAT in the middle of an Ethernet does with ARP (RFC 826): the outer address is its own."""

from dataclasses import dataclass

from mptcp_check.middleboxes.frame import ETHERTYPE_ARP, network_layer
from mptcp_check.middleboxes.station import Station, sent_by, sent_to

_ETHERNET_IPV4 = bytes.fromhex("0001 0800 06 04")
_REQUEST, _REPLY = 1, 2
_PACKET_BYTES = 28


@dataclass(frozen=True, slots=True, kw_only=True)
class Arp:
    """An ARP packet for IPv4 over Ethernet."""

    frame: bytes
    offset: int
    operation: int
    sender_mac: bytes
    sender_ip: bytes
    target_ip: bytes

    def with_fields(
        self, operation: int, sender: bytes, sender_ip: bytes, target: bytes, target_ip: bytes
    ) -> bytes:
        """Return the frame with another operation and other addresses, MAC before IP."""
        body = operation.to_bytes(2, "big") + sender + sender_ip + target + target_ip
        start = self.offset + len(_ETHERNET_IPV4)
        return self.frame[:start] + body + self.frame[start + len(body) :]


def parse(frame: bytes) -> Arp | None:
    """Find ARP for IPv4 over Ethernet in a frame."""
    found = network_layer(frame)
    if found is None or found[0] != ETHERTYPE_ARP:
        return None
    at = found[1]
    if len(frame) < at + _PACKET_BYTES or frame[at : at + 6] != _ETHERNET_IPV4:
        return None
    return Arp(
        frame=frame,
        offset=at,
        operation=int.from_bytes(frame[at + 6 : at + 8], "big"),
        sender_mac=frame[at + 8 : at + 14],
        sender_ip=frame[at + 14 : at + 18],
        target_ip=frame[at + 24 : at + 28],
    )


def answer(arp: Arp, box: Station) -> bytes | None:
    """Return the box's reply to a request for its outer address, none if this is not one."""
    if arp.operation != _REQUEST or arp.target_ip != box.ipv4:
        return None
    reply = arp.with_fields(_REPLY, box.mac, box.ipv4, arp.sender_mac, arp.sender_ip)
    return arp.sender_mac + box.mac + reply[12:]


def outbound(arp: Arp, box: Station) -> bytes | None:
    """Return the client's question as the box asks it, none for what only claims an address."""
    if arp.operation != _REQUEST or arp.sender_ip in {bytes(4), arp.target_ip}:
        return None
    asked = arp.with_fields(_REQUEST, box.mac, box.ipv4, bytes(6), arp.target_ip)
    return sent_by(asked, box)


def inbound(arp: Arp, box: Station, client: Station) -> bytes | None:
    """Return the answer to the box as the client is to get it, none for anything else."""
    if arp.operation != _REPLY or arp.target_ip != box.ipv4:
        return None
    told = arp.with_fields(_REPLY, arp.sender_mac, arp.sender_ip, client.mac, client.ipv4)
    return sent_to(told, client)
