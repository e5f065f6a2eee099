"""The networks of this computer, and how machines are joined to them: the whole interface.

    interfaces = list_interfaces()
    wanted = choose(interfaces, ("en0", "en1"))
    with attachments(wanted, directory=scratch, say=watch.step) as attached:
        ...  # QEMU with attachment.qemu_arguments(index) and descriptors(attached) inherited
        check(attached)  # between exchanges: raises when an interface went away

`plan` gives the same attachments without doing anything, for `doctor` and for questions.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from mptcp_check.machines.bridging.attachment import (
    Attachment,
    AttachmentKind,
    Command,
    Network,
    Rights,
)
from mptcp_check.machines.network_interface import HostInterface, InterfaceKind

__all__ = [
    "Attachment",
    "AttachmentKind",
    "Command",
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
]


def list_interfaces() -> tuple[HostInterface, ...]:
    """Return all network interfaces of this computer, in the system's order.

    Raises:
        PreflightError: The system's own tool for it is missing or says nothing that can be read.
    """
    raise NotImplementedError


def choose(
    interfaces: Sequence[HostInterface], wanted: Sequence[str] = ()
) -> tuple[HostInterface, ...]:
    """Return the interfaces to measure over; PURE.

    Args:
        interfaces: From `list_interfaces`.
        wanted: Names from the user, one network and one subflow each; none takes the physical
            interface of the best default route.

    Raises:
        UsageError: There is no interface of that name, or it was named twice.
        PreflightError: It is down, or no interface leads anywhere.
    """
    raise NotImplementedError


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
    raise NotImplementedError


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
        say: Told what will be done and how to undo it, before it is done.
        network: As for `plan`.

    Raises:
        PreflightError: Rights are missing (with the commands to run), or a command failed.
    """
    raise NotImplementedError
    yield ()


def check(attached: Sequence[Attachment]) -> None:
    """Raise when an interface or its attachment went away since.

    Raises:
        MachineError: Names the interface.
    """
    raise NotImplementedError


def descriptors(attached: Sequence[Attachment]) -> tuple[int, ...]:
    """Return the open files that QEMU must inherit (`process.start`); PURE."""
    return tuple(a.descriptor for a in attached if a.descriptor is not None)
