"""A network that can be measured: two agents, their addresses, their captures.

The embedded network is one case: there this program carries every frame itself and can say what
crossed.  A real network is another: nobody sees it but the two ends.
"""

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from mptcp_check.machines.clock_offset import ClockOffset
from mptcp_check.machines.wire_agreement import Agreement
from mptcp_check.model import Exchange, Side
from mptcp_guest.messages import (
    CaptureFile,
    Endpoint,
    HandoverDone,
    InterfaceState,
    LabUpArguments,
    LabUpResult,
    ServiceWanted,
)


class NetworkKind(enum.StrEnum):
    """Whose network was measured, and how its client was joined to it."""

    EMBEDDED = "embedded"
    """This program's own, between two machines on this computer."""
    BRIDGED = "bridged"
    """The client is a host of that network."""
    ROUTED = "routed"
    """The client is behind this computer's kernel, which forwards and translates addresses."""


class Answers(Protocol):
    """An agent that can be asked, or what stands for one."""

    def call(
        self,
        verb: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        within_s: float | None = None,
    ) -> Any:  # noqa: ANN401 - `VERBS[verb].result`
        """Ask for a verb and return its result."""


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """One end of a measured network."""

    name: str
    agent: Answers
    lab: LabUpArguments
    """What its network is made of."""
    fetch: Callable[[CaptureFile], bytes]
    """Bring a finished capture here."""
    sets_clock: bool
    """The machine is ours alone: its clock is set once, else only compared."""
    alone: bool
    """Its network holds the exchanges only; else its counters count others' TCP too."""
    compare_clock: Callable[[Callable[[], int]], ClockOffset] | None = None
    """Measure how far its clock is ahead of the one that is given, where it knows a better way
    than round trips of its agent."""


class Addressing(Protocol):
    """Who is where: known once both ends' networks are up."""

    def fitting(self, planned: Sequence[Exchange]) -> tuple[Exchange, ...]:
        """Return what of a plan this network can run, with the ports that it has."""

    def target(self, exchange: Exchange) -> str:
        """Return the address to which the client goes."""

    def listener(self, exchange: Exchange) -> ServiceWanted:
        """Return the server program that answers an exchange."""

    def endpoints(self, exchange: Exchange, side: Side) -> list[Endpoint]:
        """Return the addresses from which one side opens further subflows, or that it announces."""

    def first_path(self, exchange: Exchange) -> Endpoint:
        """Return the client's interface by which the first subflow goes, with its address."""

    def interfaces(self, side: Side) -> tuple[str, ...]:
        """Return where one side captures."""

    def capture_filter(self, side: Side) -> str:
        """Return the pcap filter of one side: the exchanges' traffic, never a neighbour's."""

    def ports(self, side: Side) -> tuple[int, ...]:
        """Return the ports that the exchanges use at the server; none where all are theirs."""


class WireWitness(Protocol):
    """Who sees every frame between the ends; only the embedded network has one."""

    def check(self) -> None:
        """Raise when a machine's wire broke."""

    def record(self) -> None:
        """Begin to remember what crosses."""

    def freeze(self) -> None:
        """Let nothing cross any more."""

    def agreement(
        self,
        side: Side,
        interface: str,
        content: bytes,
        *,
        stop_requested_ns: int,
        away: Sequence[tuple[int, int]],
    ) -> Agreement:
        """Compare a capture with what crossed, but while the interface was down on purpose."""

    def acted_counts(self) -> tuple[tuple[int, ...], ...]:
        """Return how often each behaviour of each link acted."""

    def dropped_count(self) -> int:
        """Return how many frames were lost on the way by mistake."""


class Interrupter(Protocol):
    """Who can make the first link lose every frame for a while: whoever carries the frames."""

    def arm(self, *, after_bytes: int, lasts_s: float) -> None:
        """Lose everything for so long, once so much has crossed all links from now on."""

    def disarm(self) -> HandoverDone:
        """End it, and say when it was, by this computer's clock."""


Examination = Callable[[Mapping[Side, LabUpResult], Sequence[Exchange]], tuple[str, ...]]
"""Look at a network whose servers listen, with what both ends' ``lab_up`` answered and the plan;
raise when measuring it would mean nothing, else return notes for the report."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """An account that a server which many share has made for us."""

    user: str
    password: str = field(repr=False)
    folder: str
    tls_certificate: str = ""
    ssh_host_key: str = ""
    """See `mptcp_check.exchanges.credentials.Credentials`; empty: what the run made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionBounds:
    """What a server that many share gives one session, beyond which nothing of a run counts."""

    ends_ns: int
    """When its time is over, by the server's clock."""
    capture_bytes: int
    """What the server captures of it at most."""


def nothing_more() -> tuple[str, ...]:
    """Return no notes."""
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredNetwork:
    """A network while it is up."""

    kind: NetworkKind
    ends: Mapping[Side, End]
    addressing: Callable[[Mapping[Side, LabUpResult]], Addressing]
    """Made of what both ends' ``lab_up`` answered."""
    check: Callable[[], None]
    """Raise when an interface or a machine is gone."""
    ready_ns: int
    """From the start of the first end until both could be asked."""
    witness: WireWitness | None = None
    interrupter: Interrupter | None = None
    notes: tuple[str, ...] = ()
    """What the reader of the report must know, a sentence each."""
    examine: Examination | None = None
    """Asked once, before the first capture."""
    login: Login | None = None
    """Where the server gave us one; else it takes the one that we make for the run."""
    bounds: SessionBounds | None = None
    """Where the server is not ours alone."""
    notes_at_end: Callable[[], tuple[str, ...]] = nothing_more
    """Asked once, after the exchanges: what the reader of the report must know besides."""
    left_out: Mapping[str, str] = field(default_factory=dict[str, str])
    """Applications whose programs an end lacks, each with the sentence about it."""
    joined: Mapping[str, tuple[str, str]] = field(default_factory=dict[str, tuple[str, str]])
    """The client's interfaces that something outside its machine joined: to which interface of
    this computer, and how."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Joint:
    """How one interface of an end was joined to a network, for the report."""

    interface: str
    parent: str
    attached: str
    """``moved``, ``macvlan``, ``routed``, ``own``, or what a hypervisor calls it."""
    addresses: tuple[str, ...]
    gateways: tuple[str, ...]


def joints(
    states: Sequence[InterfaceState], joined: Mapping[str, tuple[str, str]]
) -> tuple[Joint, ...]:
    """Return how an end's interfaces are joined; pure.

    Args:
        states: As the end's agent sees them.
        joined: What its agent cannot see, by interface.
    """
    outside = {s["name"]: joined.get(s["name"], (s["parent"], s["attached"])) for s in states}
    return tuple(
        Joint(
            interface=state["name"],
            parent=outside[state["name"]][0],
            attached=outside[state["name"]][1],
            addresses=tuple(state["addresses"]),
            gateways=tuple(state["gateways"]),
        )
        for state in states
    )
