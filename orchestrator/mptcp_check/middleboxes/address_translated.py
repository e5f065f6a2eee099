"""Addresses and ports of the client are rewritten on the way out and back: a NAT.

Real boxes: nearly every home router, every mobile operator's carrier-grade NAT, every hypervisor's
shared network that routes.  This one maps endpoint-independently (RFC 4787, REQ-1) to ports that
differ from the client's, lets in what is sent to a mapped port, and drops everything else.

Linux 6.18: none; MPTCP carries address identifiers and tokens for this reason, and joins work
with two translated source addresses (measured; RFC 8684, sections 3.2 and 3.4.1).

An address inside application data (active FTP) is not rewritten: that is an application-level
gateway, another behaviour.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from mptcp_check.middleboxes import arp, neighbour_discovery
from mptcp_check.middleboxes.behaviour import Emission, opposite
from mptcp_check.middleboxes.frame import (
    ETHERTYPE_ARP,
    ETHERTYPE_IPV4,
    ETHERTYPE_IPV6,
    IpPacket,
    ip_packet,
    network_layer,
)
from mptcp_check.middleboxes.station import MAC_BYTES, Station, sent_by, sent_to
from mptcp_check.middleboxes.translation import End, place, rewritten
from mptcp_check.middleboxes.translation_table import TranslationTable
from mptcp_check.model import Direction

_TRANSLATED = frozenset({ETHERTYPE_ARP, ETHERTYPE_IPV4, ETHERTYPE_IPV6})
_IPV4 = 4
_PORTS = 65_536
_NO_SOURCES = frozenset({bytes(4), bytes(16)})
_IPV6_LINK_LOCAL = b"\xfe\x80"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """What the box shows to the server's side."""

    outer_ipv4: bytes
    """Four bytes, on the network of the link; with it, ARP is answered."""
    outer_ipv6: bytes
    """Sixteen bytes, the same."""
    mac: bytes
    """Six bytes, locally administered."""
    table_size: int = 4096
    """How many client endpoints are remembered; the least recently used one is forgotten."""
    first_port: int = 40_000
    """Outer ports are given out from here, each client endpoint another."""

    def __post_init__(self) -> None:
        for name, size in (("outer_ipv4", 4), ("outer_ipv6", 16), ("mac", MAC_BYTES)):
            if len(getattr(self, name)) != size:
                raise ValueError(f"{name} has {size} bytes, not {len(getattr(self, name))}")
        if not (self.table_size > 0 < self.first_port <= _PORTS - self.table_size):
            raise ValueError(f"{self.table_size} mappings do not fit ports from {self.first_port}")


def parameters_of_link(link_index: int) -> Parameters:
    """Return what the box on a link of the embedded network uses: 10.77.LINK.100, fd77:LINK::100.

    Args:
        link_index: The link, from 0 to 255.
    """
    return Parameters(
        outer_ipv4=bytes((10, 77, link_index, 100)),
        outer_ipv6=b"\xfd\x77\x00" + bytes((link_index,)) + bytes(10) + b"\x01\x00",
        mac=b"\x02\x77\x00\x00\x00" + bytes((link_index,)),
    )


class AddressTranslated:
    """A NAT in front of one client, on one link.

    It stands between the client and the server on the same Ethernet, so it also speaks for its
    outer address there: it answers ARP requests and neighbour solicitations for it, and what
    leaves carries its own Ethernet address.
    """

    def __init__(self, parameters: Parameters) -> None:
        self._box = Station(
            mac=parameters.mac, ipv4=parameters.outer_ipv4, ipv6=parameters.outer_ipv6
        )
        self._client = Station(mac=bytes(MAC_BYTES), ipv4=bytes(4), ipv6=bytes(16))
        self._table = TranslationTable(size=parameters.table_size, first_port=parameters.first_port)
        self._acted_count = 0

    @property
    def acted_count(self) -> int:
        """How many packets crossed translated; talk between neighbours is not counted."""
        return self._acted_count

    def on_frame(self, frame: bytes, direction: Direction, now_ns: int) -> Sequence[Emission]:
        """Translate, answer or drop one frame; see `Behaviour.on_frame`.

        What is neither IP nor ARP passes.  IP packets that cannot be translated (fragments,
        unknown transports, malformed headers) are dropped: a NAT never lets an inner address out.
        """
        found = network_layer(frame)
        if found is None or found[0] not in _TRANSLATED:
            return (Emission(frame=frame, direction=direction, at_ns=now_ns),)
        packet = ip_packet(frame)
        asked = arp.parse(frame)
        if direction is Direction.S2C:
            answer = self._answer(packet, asked)
            if answer is not None:
                return (Emission(frame=answer, direction=opposite(direction), at_ns=now_ns),)
        cross = self._outbound if direction is Direction.C2S else self._inbound
        after = cross(packet, asked)
        if after is None:
            return ()
        return (Emission(frame=after, direction=direction, at_ns=now_ns),)

    def _answer(self, packet: IpPacket | None, asked: arp.Arp | None) -> bytes | None:
        """Return the box's own answer to a neighbour who looks for the outer address."""
        if asked is not None:
            return arp.answer(asked, self._box)
        if packet is not None and neighbour_discovery.is_discovery(packet):
            return neighbour_discovery.answer(packet, self._box)
        return None

    def _outbound(self, packet: IpPacket | None, asked: arp.Arp | None) -> bytes | None:
        if asked is not None:
            self._learn(asked.frame, asked.sender_ip)
            return arp.outbound(asked, self._box)
        if packet is None:
            return None
        self._learn(packet.frame, packet.source)
        if neighbour_discovery.is_discovery(packet):
            return neighbour_discovery.outbound(packet, self._box)
        at = place(packet, End.SOURCE)
        if at is None or not _may_leave(at.endpoint.address):
            return None
        self._acted_count += 1
        port = self._table.outer_port(at.endpoint)
        outer = self._box.ipv4 if packet.family == _IPV4 else self._box.ipv6
        return sent_by(rewritten(packet, at, outer, port, End.SOURCE), self._box)

    def _inbound(self, packet: IpPacket | None, asked: arp.Arp | None) -> bytes | None:
        if asked is not None:
            return arp.inbound(asked, self._box, self._client)
        if packet is None:
            return None
        if neighbour_discovery.is_discovery(packet):
            return neighbour_discovery.inbound(packet, self._box, self._client)
        at = place(packet, End.DESTINATION)
        outer = self._box.ipv4 if packet.family == _IPV4 else self._box.ipv6
        if at is None or at.endpoint.address != outer:
            return None
        inner = self._table.inner(packet.family, at.endpoint.protocol, at.endpoint.port)
        if inner is None:
            return None
        self._acted_count += 1
        after = rewritten(packet, at, inner.address, inner.port, End.DESTINATION)
        return sent_to(after, self._client)

    def _learn(self, frame: bytes, source: bytes) -> None:
        """Remember where the client is, for what comes back."""
        mac = frame[MAC_BYTES : 2 * MAC_BYTES]
        if mac != self._client.mac:
            self._client = dataclasses.replace(self._client, mac=mac)
        if _may_leave(source) and source not in {self._client.ipv4, self._client.ipv6}:
            name = "ipv4" if len(source) == _IPV4 else "ipv6"
            self._client = dataclasses.replace(self._client, **{name: source})


def _may_leave(source: bytes) -> bool:
    """Say whether an address is one that a NAT hides: not unspecified, not of the link only."""
    return source not in _NO_SOURCES and not (
        len(source) > _IPV4 and source.startswith(_IPV6_LINK_LOCAL)
    )
