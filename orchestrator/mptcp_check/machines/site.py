"""A real network between a client and a measurement server, as something that can be measured."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import ip_address, ip_interface

from mptcp_check.errors import MachineError, PreflightError, UsageError
from mptcp_check.machines.box import Box
from mptcp_check.machines.measured_network import End, Examination, MeasuredNetwork, NetworkKind
from mptcp_check.machines.measurement_server import MeasurementServer
from mptcp_check.machines.nat_test_client import Server
from mptcp_check.machines.network_interface import HostInterface, InterfaceKind
from mptcp_check.machines.site_addresses import ServerPlace, SiteAddressing
from mptcp_check.machines.wishes import InterfaceWish
from mptcp_check.model import Exchange, Side, Transport
from mptcp_guest.messages import (
    Firewall,
    Found,
    Interface,
    InterfaceState,
    LabUpArguments,
    LabUpResult,
)

NAMESPACE = "lab"
CARDS = 2
"""Cards where one interface only was named: a second subflow wants a second address."""

ONE_CARD_ONLY = (InterfaceKind.WIFI, InterfaceKind.CELLULAR, InterfaceKind.VPN)
"""What lets one hardware address through: the rest of the world sees no second card behind it."""

LOST = "what was measured before is lost; connect it and start the run again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """The end that measures, ready to be asked."""

    end: End
    kind: NetworkKind
    check: Callable[[], None]
    """Raise when one of its interfaces is gone."""
    notes: tuple[str, ...] = ()
    examine: Callable[[Sequence[InterfaceState], Sequence[Server]], tuple[str, ...]] | None = None
    """Raise when its interfaces are not what they seem; else return notes for the report."""
    joined: Mapping[str, tuple[str, str]] = field(default_factory=dict[str, tuple[str, str]])
    """As `MeasuredNetwork` has it."""
    left_out: Mapping[str, str] = field(default_factory=dict[str, str])
    """Likewise."""


def real_network(client: Client, server: MeasurementServer, *, ready_ns: int) -> MeasuredNetwork:
    """Put both ends of a real network together.

    Args:
        client: The end that measures.
        server: The end that answers.
        ready_ns: How long it took until both could be asked.
    """
    if server.meet is not None:
        server.meet(client.end.agent)

    def addressing(lab: Mapping[Side, LabUpResult]) -> SiteAddressing:
        return SiteAddressing(client=tuple(lab[Side.CLIENT]["interfaces"]), server=server.place)

    def check() -> None:
        client.check()
        server.check()

    said = dict.fromkeys((*client.left_out.values(), *server.left_out.values()))
    return MeasuredNetwork(
        kind=client.kind,
        ends={Side.CLIENT: client.end, Side.SERVER: server.end},
        addressing=addressing,
        check=check,
        ready_ns=ready_ns,
        notes=(*client.notes, *server.notes, *said),
        notes_at_end=server.notes_at_end,
        login=server.login,
        bounds=server.bounds,
        left_out={**client.left_out, **server.left_out},
        examine=_examination(client.examine, server.place) if client.examine else None,
        joined=client.joined,
    )


def _examination(
    look: Callable[[Sequence[InterfaceState], Sequence[Server]], tuple[str, ...]],
    place: ServerPlace,
) -> Examination:
    def examine(lab: Mapping[Side, LabUpResult], planned: Sequence[Exchange]) -> tuple[str, ...]:
        at = SiteAddressing(client=tuple(lab[Side.CLIENT]["interfaces"]), server=place)
        servers = [(at.target(e), e.port) for e in planned if e.transport is Transport.MPTCP]
        return look(at.client, tuple(dict.fromkeys(servers)))

    return examine


def client_of_box(
    box: Box,
    lab: LabUpArguments,
    *,
    notes: Sequence[str] = (),
    left_out: Mapping[str, str] | None = None,
) -> Client:
    """Return the client that runs on a box, in a namespace or in the box's own network."""
    routed = any(i.get("attach") == "routed" for i in lab["interfaces"])
    parents = [i.get("parent", i["name"]) for i in lab["interfaces"]]
    return Client(
        end=End(
            name=box.name,
            agent=box.agent,
            lab=lab,
            fetch=box.fetch,
            sets_clock=False,
            alone=lab["namespace"] is not None,
        ),
        kind=NetworkKind.ROUTED if routed else NetworkKind.BRIDGED,
        check=lambda: require_there(parents, box.agent.call("survey")["interfaces"], box.name),
        notes=tuple(notes),
        left_out=left_out or {},
    )


def locked(client: Client, servers: Sequence[str]) -> Client:
    """Return a client that nobody but the measurement server can talk to; pure."""
    firewall = Firewall(servers=list(servers), resolvers=[], time_servers=[])
    lab: LabUpArguments = {**hearing(client.end.lab, servers), "firewall": firewall}
    return replace(client, end=replace(client.end, lab=lab))


def hearing(lab: LabUpArguments, servers: Sequence[str]) -> LabUpArguments:
    """Return a lab that takes IPv6 from routers where the server has it too; pure.

    Else nobody waits for an advertisement that would be of no use.
    """
    if all(ip_address(server).version == 4 for server in servers):  # noqa: PLR2004 - IPv4
        return lab
    interfaces: list[Interface] = [
        {**i, "advertised": True} if i.get("dhcp") else i for i in lab["interfaces"]
    ]
    return {**lab, "interfaces": interfaces}


def require_there(names: Sequence[str], found: Sequence[Found], where: str) -> None:
    """Raise when an interface is not there any more, or nothing at its cable's end; pure.

    Raises:
        MachineError: Names it.
    """
    there = {i["name"]: i for i in found}
    for name in names:
        if name not in there:
            raise MachineError(f"{name} of {where} went away in mid-run", hint=LOST)
        if not there[name]["carrier"]:
            raise MachineError(f"{name} of {where} lost its link in mid-run", hint=LOST)


def namespace_on(
    wishes: Sequence[InterfaceWish], interfaces: Sequence[HostInterface | Found]
) -> LabUpArguments:
    """Return the namespace with cards on the wished interfaces; pure.

    Args:
        wishes: What the user named, at least one.
        interfaces: The box's interfaces of those names, in the same order.
    """
    cards: list[Interface] = []
    for wish, interface in zip(wishes, interfaces, strict=True):
        routed = wish.routed or _takes_one_card(interface)
        alone = CARDS if len(wishes) == 1 else 1
        fours = [a for a in wish.addresses if ip_interface(a).version == 4]  # noqa: PLR2004
        sixes = [a for a in wish.addresses if a not in fours]
        for place in range(max(len(fours), len(sixes)) or alone):
            given = [*fours[place : place + 1], *sixes[place : place + 1]]
            versions = {ip_interface(a).version for a in given}
            cards.append(
                Interface(
                    name=f"path{len(cards)}",
                    parent=wish.name,
                    attach="routed" if routed else "macvlan",
                    addresses=given,
                    gateways=[g for g in wish.gateways if ip_address(g).version in versions],
                    dhcp=not given and not routed,
                )
            )
    return LabUpArguments(namespace=NAMESPACE, interfaces=cards)


def own_network(found: Sequence[Found], servers: Sequence[str], *, name: str) -> LabUpArguments:
    """Return a box's own network, as far as it leads to the server; pure.

    Raises:
        PreflightError: No interface leads there.
    """
    leading = [
        i["name"]
        for i in found
        if i["addresses"] and (i["gateways"] or any(_reaches(i, server) for server in servers))
    ]
    if not leading:
        raise PreflightError(
            f"no interface of {name} leads to {', '.join(servers)}",
            hint="see `ip route` there, or name one by --iface",
        )
    return LabUpArguments(
        namespace=None, interfaces=[Interface(name=n, addresses=[], gateways=[]) for n in leading]
    )


def named(wishes: Sequence[InterfaceWish], found: Sequence[Found], *, name: str) -> list[Found]:
    """Return the interfaces of a box that the user named; pure.

    Raises:
        UsageError: There is none of that name.
    """
    there = {i["name"]: i for i in found}
    for wish in wishes:
        if wish.name not in there:
            raise UsageError(
                f"there is no network interface '{wish.name}' up on {name}",
                hint=f"there are: {', '.join(there)}" if there else "it has none",
            )
    return [there[wish.name] for wish in wishes]


def will_do(lab: LabUpArguments, *, where: str) -> str:
    """Say in one sentence what ``lab_up`` will do on a box; pure."""
    if lab["namespace"] is None:
        names = ", ".join(i["name"] for i in lab["interfaces"])
        return (
            f"Using the own network of {where} ({names}): its MPTCP settings and offloads are"
            " changed while the run lasts and put back"
        )
    how = {
        "macvlan": "cards of their own (macvlan)",
        "routed": "a way through its kernel, with address translation,",
    }
    cards = {(i.get("attach", ""), i.get("parent", "")) for i in lab["interfaces"]}
    what = " and ".join(f"{how[attach]} on {parent}" for attach, parent in sorted(cards))
    return f"Making a network namespace on {where} with {what}; all of it goes with the run"


def _takes_one_card(interface: HostInterface | Found) -> bool:
    if isinstance(interface, HostInterface):
        # an interface of a bridge has no room for a macvlan either
        return interface.kind in ONE_CARD_ONLY or bool(interface.master)
    return interface["wireless"]


def _reaches(interface: Found, server: str) -> bool:
    address = ip_address(server)
    return any(
        network.version == address.version and address in network
        for network in (ip_interface(a).network for a in interface["addresses"])
    )
