"""Who is where on a real network; pure.

The server is a box with one address per family, so its listeners over Multipath TCP also answer
the controls over plain TCP (RFC 8684, section 3.1: a SYN without MP_CAPABLE makes a plain
connection), at the same port.  Active ftp is the exception: there the server opens the data
connection, and a server that opens Multipath TCP sockets would make no control.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import ip_interface

from mptcp_check.errors import MachineError, PreflightError, ServerError
from mptcp_check.exchanges import APPLICATIONS, asking
from mptcp_check.exchanges.plan import Possible, limited
from mptcp_check.machines.addresses import OTHER_FAMILY
from mptcp_check.model import Exchange, Family, Joining, Side, Transport, Upset
from mptcp_guest.messages import Endpoint, InterfaceState, ServiceWanted

VERSIONS: Mapping[Family, int] = {Family.IPV4: 4, Family.IPV6: 6}
WILDCARDS: Mapping[Family, str] = {Family.IPV4: "0.0.0.0", Family.IPV6: "::"}  # noqa: S104 - a box behind a translator
FIRST_FREE_PORT = 8000
"""Where the search for a free port begins, when an application's own is taken."""

ActiveControl = "ftp active control"
"""The listener that is no application's usual one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerPlace:
    """Where the measurement server is."""

    addresses: Mapping[Family, str]
    """Where clients reach it."""
    bound: Mapping[Family, str]
    """Where it listens: the same, or anywhere when something in between translates."""
    ports: Mapping[str, int]
    """By application, of `ActiveControl`, and of `further_port` where that one is free."""
    interfaces: tuple[str, ...]
    alone: bool
    passive_ports: tuple[int, int] = asking.PASSIVE_PORTS
    """First and last data port of passive ftp."""
    holders: Mapping[Family, str] = field(default_factory=dict[Family, str])
    """The interface that has the address itself, where nothing in between translates."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteAddressing:
    """`mptcp_check.machines.measured_network.Addressing` of a real network."""

    client: tuple[InterfaceState, ...]
    server: ServerPlace

    def fitting(self, planned: Sequence[Exchange]) -> tuple[Exchange, ...]:
        """Return what both ends have addresses for, with the server's ports."""
        possible = self._possible()
        there = [e for e in planned if _service(e) in self.server.ports]
        # in active mode the server connects to the address that the client told it, and behind
        # this computer's own translation that is none of the network's
        routed = any(state["attached"] == "routed" for state in self.client)
        if not there:
            raise ServerError("the server offers none of the applications that were asked for")
        found = limited([e for e in there if not (routed and _opens_back(e))], possible)
        if not found:
            raise PreflightError(
                "client and server have no address family in common",
                hint="name a server with an address of the client's family; for a box of yours"
                " --server ssh:HOST,address=ADDRESS",
            )
        return tuple(replace(e, port=self.server.ports[_service(e)]) for e in found)

    def target(self, exchange: Exchange) -> str:
        """Return the server's address in the exchange's family."""
        return self.server.addresses[exchange.family]

    def listener(self, exchange: Exchange) -> ServiceWanted:
        """Return the one listener of its application and family."""
        plain = _service(exchange) == ActiveControl
        return ServiceWanted(
            service=APPLICATIONS[exchange.app].service,
            transport="tcp" if plain else "mptcp",
            address=self.server.bound[exchange.family],
            port=exchange.port,
        )

    def endpoints(self, exchange: Exchange, side: Side) -> list[Endpoint]:
        """Return the client's addresses but the first, or what the server announces."""
        if side is Side.SERVER:
            family = OTHER_FAMILY[exchange.family]
            holder = self.server.holders.get(family)
            if exchange.joining is not Joining.OTHER_FAMILY or holder is None:
                return []
            return [Endpoint(address=self.server.addresses[family], interface=holder)]
        return [
            Endpoint(address=address, interface=interface)
            for interface, address in self._sources(exchange.family)[1:]
        ]

    def first_path(self, exchange: Exchange) -> Endpoint:
        """Return the client's first interface in the exchange's family."""
        interface, address = self._sources(exchange.family)[0]
        return Endpoint(address=address, interface=interface)

    def interfaces(self, side: Side) -> tuple[str, ...]:
        """Return where one side captures."""
        if side is Side.SERVER:
            return self.server.interfaces
        return tuple(state["name"] for state in self.client)

    def capture_filter(self, side: Side) -> str:
        """Return the filter: the server's ports, at the client its addresses as well."""
        ports = " or ".join(f"port {port}" for port in self._single_ports())
        first, last = self.server.passive_ports
        tcp = f"tcp and ({ports} or portrange {first}-{last})"
        quoted = " or ".join(f"icmp[28:2] = {p} or icmp[30:2] = {p}" for p in self._single_ports())
        # of ICMP errors those that quote one of these ports, so that nobody else's are kept
        errors = (
            f"(icmp[icmptype] == icmp-unreach or icmp[icmptype] == icmp-timxceed) and ({quoted})"
        )
        if side is Side.CLIENT:
            hosts = " or ".join(f"host {address}" for address in self.server.addresses.values())
            tcp = f"{tcp} and ({hosts})"
        return f"({tcp}) or ({errors})"

    def ports(self, side: Side) -> tuple[int, ...]:
        """Return the server's ports: at either end other programs may have connections too."""
        del side
        first, last = self.server.passive_ports
        return (*self._single_ports(), *range(first, last + 1))

    def _possible(self) -> Possible:
        paths = {family: len(self._sources(family)) for family in self.server.addresses}
        own = any(state["attached"] == "own" for state in self.client)
        return Possible(
            paths=paths,
            announced={
                (family, Joining.OTHER_FAMILY): 1
                for family, other in OTHER_FAMILY.items()
                if other in self.server.holders and paths.get(other, 0)
            },
            # a card of a machine's own network is not ours to switch off
            upsets=frozenset() if own else frozenset({Upset.INTERFACE_DOWN, Upset.ADDRESS_REMOVED}),
        )

    def _single_ports(self) -> tuple[int, ...]:
        # active ftp's data comes from the port below the control connection's (RFC 959, 3.2)
        ftp = [port - 1 for name, port in self.server.ports.items() if name.startswith("ftp")]
        return tuple(sorted({*self.server.ports.values(), *ftp}))

    def _sources(self, family: Family) -> list[tuple[str, str]]:
        """Return the client's interfaces with their addresses of a family, in order."""
        addresses = [
            (state["name"], ip_interface(text))
            for state in self.client
            for text in state["addresses"]
        ]
        return [(n, str(a.ip)) for n, a in addresses if a.version == VERSIONS[family]]


def choose_ports(
    wanted: Mapping[str, int], taken: Sequence[int], apps: Iterable[str] = APPLICATIONS
) -> dict[str, int]:
    """Return a port for each application and for the active control; pure.

    Applications of one server program share its port.

    Args:
        wanted: What the user gave.
        taken: Ports on which something listens at the server.
        apps: What will run: captures hold the ports of nothing else.

    Raises:
        MachineError: A port that the user gave is taken, or there is no free one.
    """
    used = set(taken)
    for app, port in wanted.items():
        if port in used:
            raise MachineError(
                f"port {port} for {app} is taken on the server",
                hint=f"leave {app}= away to have a free one, or end what listens there",
            )
    for app, port in wanted.items():
        used |= _taken_by(app, port)
    wishes = set(apps)
    running = [app for app in APPLICATIONS if app in wishes]
    passive = range(asking.PASSIVE_PORTS[0], asking.PASSIVE_PORTS[1] + 1)
    chosen: dict[str, int] = {}
    by_service: dict[str, int] = {}
    for name in (*running, ActiveControl):
        service = APPLICATIONS[name].service if name in APPLICATIONS else name
        if service in by_service and name not in wanted:
            chosen[name] = by_service[service]
            continue
        first = [APPLICATIONS[name].port] if name in APPLICATIONS else []
        candidates = [*first, *range(FIRST_FREE_PORT, passive[0], 2)]
        usable = (p for p in candidates if not _taken_by(name, p) & used)
        found: int | None = wanted[name] if name in wanted else next(usable, None)
        if found is None:
            raise MachineError(f"no free port for {name} on the server")
        chosen[name] = by_service[service] = found
        used |= _taken_by(name, found)
    further: dict[tuple[str, int], int] = {}
    for name in running:
        service = APPLICATIONS[name].service
        for port in APPLICATIONS[name].ports[1:]:
            if port not in used or (service, port) in further:
                chosen[further_port(name, port)] = further[service, port] = port
                used.add(port)
    return chosen


def further_port(app: str, port: int) -> str:
    """Return by what name `ServerPlace.ports` has another port of an application."""
    return f"{app} {port}"


def _taken_by(name: str, port: int) -> set[int]:
    # active ftp's data comes from the port below the control connection's (RFC 959, 3.2)
    return {port, port - 1} if name.startswith("ftp") else {port}


def _service(exchange: Exchange) -> str:
    if exchange.transport is Transport.TCP and _opens_back(exchange):
        return ActiveControl
    usual = APPLICATIONS[exchange.app].port
    return exchange.app if exchange.port == usual else further_port(exchange.app, exchange.port)


def _opens_back(exchange: Exchange) -> bool:
    """Say whether the server opens a connection to the client."""
    return APPLICATIONS[exchange.app].modes[exchange.mode].opened.by_server > 0
