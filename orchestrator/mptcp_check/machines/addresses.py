"""The addresses of the embedded network, as data.

Two links join the probe (the client) and the server.  Each link is one network of its own, so
the probe has two interfaces and a second subflow has a second path.  The server answers over
Multipath TCP at one address and over plain TCP, for the control, at another one of the same
link: the same ports, the same programs, nothing between them but the transport.
Private ranges: RFC 1918 and RFC 4193.
"""

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address

from mptcp_check.exchanges import APPLICATIONS
from mptcp_check.model import ANNOUNCED, Exchange, Family, Joining, Side, Transport
from mptcp_guest.messages import Endpoint, Interface, ServiceWanted

LINKS = 2
INTERFACES = tuple(f"eth{index}" for index in range(LINKS))
NAMESPACE = "lab"

PROBE = 1
SERVER = 2
CONTROL = 3
PROBE_AGAIN = 4
"""Host numbers within each link's network; `CONTROL` exists on the first link only, and
`PROBE_AGAIN` on the last: a second address of the client there, for a third subflow."""

OTHER_FAMILY: Mapping[Family, Family] = {Family.IPV4: Family.IPV6, Family.IPV6: Family.IPV4}


def address(family: Family, *, link: int, host: int) -> str:
    """Return a host's address on a link: 10.77.LINK.HOST or fd77:LINK::HOST."""
    if family is Family.IPV4:
        return str(IPv4Address(f"10.77.{link}.{host}"))
    return str(IPv6Address(f"fd77:{link:x}::{host:x}"))


def with_prefix(text: str) -> str:
    """Return an address with its network's prefix length, as iproute2 wants it."""
    return f"{text}/24" if ip_address(text).version == 4 else f"{text}/64"  # noqa: PLR2004


SERVICE_HOSTS: Mapping[Transport, int] = {Transport.MPTCP: SERVER, Transport.TCP: CONTROL}


def service_address(transport: Transport, family: Family) -> str:
    """Return where the server offers everything over ``transport``."""
    return address(family, link=0, host=SERVICE_HOSTS[transport])


FURTHER_HOSTS: Mapping[tuple[int, int], tuple[int, ...]] = {
    (SERVER, 0): (CONTROL,),
    (PROBE, LINKS - 1): (PROBE_AGAIN,),
}
"""By machine and link."""


def interfaces(host: int) -> list[Interface]:
    """Return the measurement interfaces of a machine, as the agent's ``lab_up`` takes them."""
    found: list[Interface] = []
    for link, name in enumerate(INTERFACES):
        hosts = [host, *FURTHER_HOSTS.get((host, link), ())]
        found.append(
            Interface(
                name=name,
                addresses=[
                    with_prefix(address(family, link=link, host=h))
                    for family in Family
                    for h in hosts
                ],
                # the server answers each link by that link: a way of its own for its service
                # address would send the answers to joins by the wrong one
                gateways=[
                    address(family, link=link, host=SERVER) for family in Family if host == PROBE
                ],
            )
        )
    return found


def server_addresses() -> tuple[str, ...]:
    """Return every address of the server; every packet of an exchange has one of them.

    The ones of further links too: for active FTP's data connection the server is the client,
    and opens further subflows from its other interfaces.
    """
    first = [(0, SERVER), (0, CONTROL)]
    return tuple(
        address(family, link=link, host=host)
        for family in Family
        for link, host in [*first, *((link, SERVER) for link in range(1, LINKS))]
    )


def capture_filter() -> str:
    """Return the pcap filter of both captures: the exchanges' traffic, never a neighbour's.

    Also ICMP errors, whoever sent them: they are a path's way to speak.
    """
    hosts = " or ".join(f"host {text}" for text in server_addresses())
    errors = "icmp[icmptype] == icmp-unreach or icmp[icmptype] == icmp-timxceed"
    errors6 = "icmp6[0] == 1 or icmp6[0] == 2 or icmp6[0] == 3"
    return f"(tcp and ({hosts})) or ({errors}) or ({errors6})"


class EmbeddedAddressing:
    """`mptcp_check.machines.measured_network.Addressing` of the embedded network."""

    def fitting(self, planned: Sequence[Exchange]) -> tuple[Exchange, ...]:
        """Return the plan: this network was made for it."""
        return tuple(planned)

    def target(self, exchange: Exchange) -> str:
        """Return the server's address for the exchange's transport."""
        return service_address(exchange.transport, exchange.family)

    def listener(self, exchange: Exchange) -> ServiceWanted:
        """Return the server program of its own that each transport has."""
        return ServiceWanted(
            service=APPLICATIONS[exchange.app].service,
            transport=exchange.transport.value,
            address=self.target(exchange),
            port=exchange.port,
        )

    def endpoints(self, exchange: Exchange, side: Side) -> list[Endpoint]:
        """Return the client's addresses of other links, or those that the server announces."""
        family, link = exchange.family, LINKS - 1
        if exchange.joining is Joining.OTHER_FAMILY:
            family = OTHER_FAMILY[family]
        announced = [SERVER] if exchange.joining in ANNOUNCED else []
        hosts = [PROBE, PROBE_AGAIN] if side is Side.CLIENT else announced
        return [
            Endpoint(address=address(family, link=link, host=host), interface=INTERFACES[link])
            for host in hosts
        ]

    def first_path(self, exchange: Exchange) -> Endpoint:
        """Return the client's interface of the first link."""
        return Endpoint(
            address=address(exchange.family, link=0, host=PROBE), interface=INTERFACES[0]
        )

    def interfaces(self, side: Side) -> tuple[str, ...]:
        """Return the links."""
        del side
        return INTERFACES

    def capture_filter(self, side: Side) -> str:
        """Return `capture_filter`."""
        del side
        return capture_filter()

    def ports(self, side: Side) -> tuple[int, ...]:
        """Return none: all that there is, is an exchange's."""
        del side
        return ()


EMBEDDED = EmbeddedAddressing()
