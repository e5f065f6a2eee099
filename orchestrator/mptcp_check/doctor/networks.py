"""The networks of this computer: is one up, how would a machine be attached, what is in the way."""

from collections.abc import Iterator, Sequence

from mptcp_check.doctor.check import Check, Question, Status
from mptcp_check.errors import MptcpCheckError
from mptcp_check.machines.bridging import host_facts, planning
from mptcp_check.machines.bridging.attachment import AttachmentKind
from mptcp_check.machines.bridging.host_facts import HostFacts
from mptcp_check.machines.network import (
    Attachment,
    HostInterface,
    InterfaceKind,
    Network,
    Rights,
    choose,
    list_interfaces,
)
from mptcp_check.machines.network_interface import PHYSICAL

IFACE = "Interface"
NAMEABLE = (*PHYSICAL, InterfaceKind.BRIDGE, InterfaceKind.VPN, InterfaceKind.TAP)


def networks(question: Question) -> Iterator[Check]:
    """Look at the interfaces and give all that matters for attaching a machine to them."""
    try:
        facts = host_facts.read(list_interfaces())
    except MptcpCheckError as e:
        yield Check(name=IFACE, status=_severity(question), detail=e.message, advice=e.hint)
        return
    yield from judge(facts, question)


def judge(facts: HostFacts, question: Question) -> Iterator[Check]:
    """Judge what the system says of its interfaces; PURE."""
    bad = _severity(question)
    try:
        chosen = choose(facts.interfaces, question.interfaces)
    except MptcpCheckError as e:
        yield Check(name=IFACE, status=bad, detail=e.message, advice=e.hint)
        return
    yield judge_interfaces(chosen)
    yield from judge_others(facts.interfaces, chosen)
    how = Network.ROUTED if question.routed else None
    for interface in chosen:
        try:
            (attachment,) = planning.plan([interface], facts, network=how)
        except MptcpCheckError as e:
            yield Check(name=_attaching(interface), status=bad, detail=e.message, advice=e.hint)
        else:
            yield judge_attachment(attachment, uid=facts.uid, bad=bad)
    yield judge_vpn(facts.interfaces)
    if wired := [i for i in chosen if i.kind is not InterfaceKind.TAP]:
        yield judge_ipv6(wired)


def judge_interfaces(chosen: Sequence[HostInterface]) -> Check:
    """Say over what would be measured; PURE."""
    described = ", ".join(
        f"{i.title} {next(iter(i.addresses), 'without an address')}" for i in chosen
    )
    bare = [i for i in chosen if not i.addresses and i.kind is not InterfaceKind.TAP]
    return Check(
        name=IFACE,
        status=Status.WARN if bare else Status.PASS,
        detail=described,
        advice=f"{bare[0].name} has no address: is there a DHCP server on it?" if bare else "",
    )


def judge_others(
    interfaces: Sequence[HostInterface], chosen: Sequence[HostInterface]
) -> Iterator[Check]:
    """Name the other interfaces that --iface could take; nothing when there is none; PURE."""
    others = [
        i
        for i in interfaces
        if i not in chosen and i.kind in NAMEABLE and (i.up or i.kind in PHYSICAL)
    ]
    if others:
        detail = ", ".join(i.title for i in others)
        yield Check(name="Other interfaces", status=Status.PASS, detail=detail)


def judge_attachment(attachment: Attachment, *, uid: int, bad: Status) -> Check:
    """Judge whether a machine can be attached, and what it will mean; PURE."""
    name = _attaching(attachment.interface)
    kind, how = str(attachment.kind), str(attachment.network)
    if kind != how:
        how += f" ({kind})"
    if attachment.rights is Rights.ROOT and uid != 0:
        return Check(
            name=name,
            status=bad,
            detail=f"{how}, which needs root",
            advice="start `mptcp-check run` with sudo; what it does and how it is undone is told "
            "before it is done (docs/network.md)",
        )
    if attachment.network is Network.ROUTED:
        note = next(iter(attachment.notes), "")
        bridges = attachment.interface.kind in planning.BRIDGED
        instead = "leave `routed` out" if bridges else "measure over Ethernet"
        advice = f"{note}; {instead} to be a neighbour on the network itself"
        return Check(name=name, status=Status.WARN, detail=how, advice=advice)
    if attachment.kind is not AttachmentKind.TAP:
        how += ": the machine is a computer of its own on that network"
    return Check(name=name, status=Status.PASS, detail=how)


def judge_vpn(interfaces: Sequence[HostInterface]) -> Check:
    """Say what a VPN means for a measurement; PURE."""
    vpns = [i for i in interfaces if i.kind is InterfaceKind.VPN and i.up and i.addresses]
    if not vpns:
        return Check(name="VPN", status=Status.PASS, detail="none is up")
    names = ", ".join(i.name for i in vpns)
    return Check(
        name="VPN",
        status=Status.WARN,
        detail=f"{names} is up; an attached machine goes past it",
        advice=f"to measure through it: --iface {vpns[0].name}; to be sure what is measured, "
        "end it first",
    )


def judge_ipv6(chosen: Sequence[HostInterface]) -> Check:
    """Say whether IPv6 can be measured; PURE."""
    without = [i.name for i in chosen if not i.has_family(6) or i.gateway(6) is None]
    if not without:
        return Check(name="IPv6", status=Status.PASS, detail="address and default route are there")
    return Check(
        name="IPv6",
        status=Status.WARN,
        detail=f"no way out by {', '.join(without)}",
        advice="nothing to do if the network has none: IPv4 alone is measured",
    )


def _attaching(interface: HostInterface) -> str:
    return f"Attach to {interface.name}"


def _severity(question: Question) -> Status:
    """Return how bad trouble with networks is: the embedded one needs none."""
    return Status.FAIL if question.needs_network else Status.WARN
