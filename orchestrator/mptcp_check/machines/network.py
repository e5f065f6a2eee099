"""The networks of this computer, and how machines are joined to them: the whole interface.

    interfaces = list_interfaces()
    wanted = choose(interfaces, ("en0", "en1"))
    with attachments(wanted, directory=scratch, say=watch.step) as attached:
        ...  # QEMU with attachment.qemu_arguments(index) and descriptors(attached) inherited
        check(attached)  # between exchanges: raises when an interface went away

`plan` gives the same attachments without doing anything, for `doctor` and for questions.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from mptcp_check.errors import MachineError, PreflightError
from mptcp_check.machines import network_linux, network_macos
from mptcp_check.machines.bridging import host_facts, planning, taking_effect
from mptcp_check.machines.bridging.attachment import (
    Attachment,
    AttachmentKind,
    Command,
    Network,
    Rights,
)
from mptcp_check.machines.bridging.host_facts import HostFacts
from mptcp_check.machines.network_choice import choose
from mptcp_check.machines.network_interface import HostInterface, InterfaceKind

__all__ = [
    "Attachment",
    "AttachmentKind",
    "Command",
    "HostFacts",
    "HostInterface",
    "InterfaceKind",
    "Network",
    "Rights",
    "attachments",
    "check",
    "choose",
    "descriptors",
    "list_interfaces",
    "plan",
    "require_free",
    "vanished",
]

LISTERS = {"linux": network_linux.list_interfaces, "darwin": network_macos.list_interfaces}


def list_interfaces() -> tuple[HostInterface, ...]:
    """Return all network interfaces of this computer, in the system's order.

    Raises:
        PreflightError: The system's own tool for it is missing or says nothing that can be read.
    """
    lister = LISTERS.get(sys.platform)
    if lister is None:
        raise PreflightError(
            f"the network interfaces of {sys.platform} cannot be listed",
            hint="Linux and macOS are supported",
        )
    return lister()


def plan(
    interfaces: Sequence[HostInterface], *, network: Network | None = None
) -> tuple[Attachment, ...]:
    """Return how a machine would be attached to each interface; nothing is changed.

    Args:
        interfaces: From `choose`.
        network: ``Network.ROUTED`` routes even where a bridge could be; none takes the best.

    Raises:
        PreflightError: There is no way here, with what to do.
    """
    return planning.plan(interfaces, host_facts.read(list_interfaces()), network=network)


@contextmanager
def attachments(
    interfaces: Sequence[HostInterface],
    *,
    directory: Path,
    say: Callable[[str], None],
    network: Network | None = None,
) -> Iterator[tuple[Attachment, ...]]:
    """Set attachments up, give them, and take them down, also after ``kill -9``.

    Args:
        interfaces: From `choose`; the machine's eth0, eth1, … in this order.
        directory: The run's private work folder.
        say: Told what will be done and how to undo it, a line each, before it is done.
        network: As for `plan`.

    Raises:
        PreflightError: Rights are missing (with the commands to run), or a command failed.
    """
    facts = host_facts.read(list_interfaces())
    planned = planning.plan(interfaces, facts, network=network)
    require_free(planned, facts)
    with taking_effect.set_up(planned, directory=directory, uid=facts.uid, say=say) as attached:
        yield attached


def require_free(planned: Sequence[Attachment], facts: HostFacts) -> None:
    """Raise when another run has a machine at one of the interfaces; PURE.

    Raises:
        PreflightError: Names the interface.
    """
    there = {i.name for i in facts.interfaces}
    for attachment in planned:
        if attachment.device in there and attachment.kind is not AttachmentKind.TAP:
            raise PreflightError(
                f"{attachment.interface.title} has a machine already: {attachment.device}",
                hint="wait for the other run to end; after a crash, `mptcp-check doctor` or "
                f"`ip link delete dev {attachment.device}` removes what it left",
            )


def check(attached: Sequence[Attachment]) -> None:
    """Raise when an interface or its attachment went away since.

    Raises:
        MachineError: Names the interface.
    """
    trouble = vanished(attached, list_interfaces())
    if trouble:
        raise MachineError(
            trouble, hint="what was measured before is lost; connect it and start the run again"
        )


def vanished(attached: Sequence[Attachment], now: Sequence[HostInterface]) -> str:
    """Say which interface is gone, changed or down by now; nothing when all is well; PURE."""
    there = {i.name: i for i in now}
    for attachment in attached:
        before, after = attachment.interface, there.get(attachment.interface.name)
        if after is None or after.index != before.index:
            return f"{before.title} went away in mid-run"
        if before.up and not after.up:
            return f"{before.title} lost its link in mid-run"
        if attachment.device and attachment.device not in there:
            return f"{attachment.device}, the machine's join to {before.title}, went away"
        if attachment.addresses and before.gateways and not after.gateways:
            return f"{before.title} lost its default route in mid-run"
    return ""


def descriptors(attached: Sequence[Attachment]) -> tuple[int, ...]:
    """Return the open files that QEMU must inherit (`process.start`); PURE."""
    return tuple(a.descriptor for a in attached if a.descriptor is not None)
