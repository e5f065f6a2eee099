"""Which interfaces to measure over: the user's words, or the one that the traffic takes; pure."""

from collections.abc import Sequence

from mptcp_check.errors import PreflightError, UsageError
from mptcp_check.machines.network_interface import PHYSICAL, HostInterface, InterfaceKind

LEADS_NOWHERE = (InterfaceKind.LOOPBACK,)
NEVER_BY_ITSELF = (*LEADS_NOWHERE, InterfaceKind.VPN, InterfaceKind.TAP)
"""What is taken only when the user names it."""


def choose(
    interfaces: Sequence[HostInterface], wanted: Sequence[str] = ()
) -> tuple[HostInterface, ...]:
    """Return the interfaces to measure over.

    Args:
        interfaces: All of this computer.
        wanted: Names from the user, one network and one subflow each; none takes the interface
            of the best default route, a VPN's left out.

    Raises:
        UsageError: There is no interface of that name, it was named twice, or leads nowhere.
        PreflightError: It is down, or no interface leads anywhere.
    """
    if not wanted:
        return (_default(interfaces),)
    twice = sorted({name for name in wanted if list(wanted).count(name) > 1})
    if twice:
        raise UsageError(
            f"{twice[0]} is named twice", hint="each --iface is another network, for one subflow"
        )
    return tuple(_named(interfaces, name) for name in wanted)


def _named(interfaces: Sequence[HostInterface], name: str) -> HostInterface:
    usable = [i for i in interfaces if i.kind not in LEADS_NOWHERE]
    found = next((i for i in interfaces if i.name == name), None)
    if found is None:
        there = ", ".join(i.title for i in usable if i.kind in PHYSICAL or i.up)
        raise UsageError(
            f"there is no network interface {name!r}",
            hint=f"there are: {there}" if there else "this computer has none",
        )
    if found not in usable:
        raise UsageError(f"{found.title} leads nowhere", hint="name an interface of a network")
    if not found.up and found.kind is not InterfaceKind.TAP:  # a tap's carrier is the machine
        raise PreflightError(
            f"{found.title} cannot be measured over",
            hint=f"connect it and switch it on, see `ip link show {name}`, or name another --iface",
        )
    return found


def _default(interfaces: Sequence[HostInterface]) -> HostInterface:
    usable = [i for i in interfaces if i.up and i.kind not in NEVER_BY_ITSELF]
    routed = [(i.default_metric, i.index, i) for i in usable if i.default_metric is not None]
    if routed:
        return min(routed, key=lambda r: r[:2])[-1]
    addressed = [i for i in usable if i.kind in PHYSICAL and i.addresses]
    if addressed:
        return min(addressed, key=lambda i: (PHYSICAL.index(i.kind), i.index))
    seen = ", ".join(i.title for i in interfaces if i.kind in PHYSICAL)
    raise PreflightError(
        "no network interface leads anywhere",
        hint=f"connect one of {seen}" if seen else "connect this computer to a network",
    )
