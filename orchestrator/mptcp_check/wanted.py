"""What is wanted of a run's network, and what the run has for whoever makes it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mptcp_check.machines.missing_programs import WantedApps
from mptcp_check.machines.wishes import (
    InterfaceWish,
    MachineKind,
    MachineWish,
    ServerWish,
    SessionWish,
)
from mptcp_check.settings import Places
from mptcp_check.watch import Watch

AUTO = MachineWish(kind=MachineKind.AUTO)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the user said about the network."""

    machine: MachineWish = AUTO
    interfaces: tuple[InterfaceWish, ...] = ()
    server: ServerWish | SessionWish | None = None
    behind: tuple[str, ...] = ()
    """Emulated middleboxes, the first nearest to the client: ``ID`` or ``ID:key=value,...``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What any way to have a network needs of the run."""

    run_id: str
    archive: bytes
    """The guest agent."""
    apps: WantedApps
    scratch: Path
    """The run's private work folder."""
    places: Places
    boot_timeout_s: float
    watch: Watch
    spare_time: Callable[[], None] = lambda: None
    """Called once, when there is nothing to do for a while but wait for machines."""
    wire_bytes: int = 0
    """What the plan is estimated to send: it is captured in the machines' memory."""
