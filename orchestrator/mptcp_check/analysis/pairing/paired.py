"""One connection as both ends captured it: the values that pairing makes and detectors read.

A `PairedConnection` has subflows, a `PairedSubflow` two lanes (one per direction), a `Lane` two
halves: what the sender's capture holds of it and what the receiver's does.  Half and capture may
be missing; what is missing is ``None``, never an empty stand-in, so that nobody takes 'not
captured' for 'not sent'.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from mptcp_check.analysis.capture.packets import Flag
from mptcp_check.analysis.flows.connections import Connection, Role, Subflow
from mptcp_check.analysis.pairing.alignment import Crossing, Crossings, cross_step
from mptcp_check.analysis.pairing.byte_map import ByteMap, byte_map
from mptcp_check.analysis.pairing.clock_offset import ClockOffset
from mptcp_check.analysis.pairing.halves import Half
from mptcp_check.analysis.pairing.lane_crossing import (
    CaptureLoss,
    Fate,
    LaneCrossing,
    MatchedBy,
    Origin,
    one_sided,
)
from mptcp_check.analysis.pairing.lane_table import LaneTable, capture_loss
from mptcp_check.model import Direction, Side

__all__ = [
    "BACK",
    "MADE_BY_THE_ENDS",
    "OTHER_SIDE",
    "CaptureLoss",
    "ClockOffset",
    "Clue",
    "Crossing",
    "Crossings",
    "Fate",
    "Half",
    "HandshakeCrossings",
    "Lane",
    "LaneCrossing",
    "MatchedBy",
    "Origin",
    "PairedConnection",
    "PairedSubflow",
]

OTHER_SIDE: Final[Mapping[Side, Side]] = {Side.CLIENT: Side.SERVER, Side.SERVER: Side.CLIENT}
BACK: Final[Mapping[Direction, Direction]] = {
    Direction.C2S: Direction.S2C,
    Direction.S2C: Direction.C2S,
}
"""The direction in which the answer goes."""

_RESEGMENTED: Final = 1 << Fate.RESEGMENTED


class Clue(enum.StrEnum):
    """What says that two flows in two captures are one; the strongest first."""

    KEYS = "MPTCP keys"
    JOIN = "MP_JOIN token and nonce"
    ISN_OPENER = "initial sequence number of the opener"
    ISN_LISTENER = "initial sequence number of the listener"
    MAPPING = "data sequence mappings"
    """Only where a SYN is missing: the 64-bit numbers are the connection's own."""
    SEQUENCE = "sequence numbers in one range"
    """Only where a SYN is missing: the capture began late."""
    TIMESTAMP = "TCP timestamp of the SYN"
    PAYLOAD_OPENER = "payload of the opener"
    PAYLOAD_LISTENER = "payload of the listener"
    PAYLOAD_PARTS = "parts of the payload"
    """Only where nothing else is enough: the payload was altered, resized, or begins late."""
    ADDRESSES = "addresses and ports"
    TIME = "time"


MADE_BY_THE_ENDS: Final = frozenset(
    {
        Clue.KEYS,
        Clue.JOIN,
        Clue.ISN_OPENER,
        Clue.ISN_LISTENER,
        Clue.MAPPING,
        Clue.SEQUENCE,
        Clue.TIMESTAMP,
    }
)
"""Clues that a second connection, opened by somebody in the middle, cannot have."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Lane:
    """One direction of one subflow at both ends."""

    direction: Direction
    sender: Side
    sent: Half | None
    received: Half | None
    table: LaneTable | None = None
    """Where it lies beside all others that the same machine sends on; none for one end alone."""
    number: int = 0
    """Which lane of the table it is."""
    shift: int | None = 0
    """Added to the receiver's places to make them the sender's; not 0 only without a SYN.

    None where no SYN was captured at one end and nothing tells where its stream stands.
    """

    @property
    def at_both_ends(self) -> bool:
        """Whether both captures hold it."""
        return self.sent is not None and self.received is not None

    @cached_property
    def crossing(self) -> LaneCrossing:
        """What became of each segment on the way."""
        if self.table is None or not self.at_both_ends:
            return one_sided(self.sent, self.received)
        return self.table.crossing(self.number)

    @property
    def resized(self) -> bool:
        """Whether the stream became longer or shorter on the way: what `byte_map` tells in full."""
        return self.table is not None and bool(self.table.drifts(self.number))

    @property
    def recut(self) -> bool:
        """Whether any bytes arrived in other segments: what `byte_map` tells in full."""
        crossing = self.crossing
        return bool((crossing.fate_bits | crossing.origin_bits) & _RESEGMENTED)

    @cached_property
    def byte_map(self) -> ByteMap:
        """Which received bytes are which sent bytes."""
        drifts = [] if self.table is None else self.table.drifts(self.number)
        return byte_map(self.sent, self.received, self.crossing, self.shift, drifts)

    @property
    def sent_loss(self) -> CaptureLoss | None:
        """What the sender's capture lost."""
        if self.sent is None:
            return None
        return capture_loss(self.sent.table, self.sent.number, at_sender=True)

    @property
    def received_loss(self) -> CaptureLoss | None:
        """What the receiver's capture lost."""
        if self.received is None:
            return None
        return capture_loss(self.received.table, self.received.number, at_sender=False)


@dataclass(frozen=True, kw_only=True, eq=False)
class HandshakeCrossings:
    """The three-way handshake of one subflow at both ends; lanes as in the subflow."""

    opener: Lane
    listener: Lane
    clock: ClockOffset | None

    @cached_property
    def syns(self) -> Crossings:
        """The opener's SYNs."""
        return cross_step(self.opener, Flag.SYN, self.clock)

    @cached_property
    def synacks(self) -> Crossings:
        """The listener's SYN/ACKs."""
        return cross_step(self.listener, Flag.SYN | Flag.ACK, self.clock)

    @cached_property
    def acks(self) -> Crossings:
        """The opener's first bare ACKs, the third of the handshake among them."""
        return cross_step(self.opener, Flag.ACK, self.clock)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PairedSubflow:
    """One TCP connection at both ends."""

    id: int
    """Position in the connection, from 0."""
    role: Role
    opening: Direction
    """The direction of its SYN: s2c where the connection's server opened a join."""
    views: Mapping[Side, Subflow]
    """Each capture's own view of it; at least one."""
    lanes: Mapping[Direction, Lane]
    handshake: HandshakeCrossings
    paired_by: tuple[Clue, ...]
    """Why the two views are one; empty if there is but one view."""

    @property
    def is_one_connection(self) -> bool:
        """Whether both ends see one TCP connection, not one at each side of a proxy.

        Payload, addresses and time pass a proxy; keys, nonces, sequence numbers and timestamps
        are made anew by whoever opens the second connection.
        """
        return not MADE_BY_THE_ENDS.isdisjoint(self.paired_by)

    @property
    def opener(self) -> Lane:
        """The lane of the SYN and the third ACK."""
        return self.lanes[self.opening]

    @property
    def listener(self) -> Lane:
        """The lane of the SYN/ACK."""
        return self.lanes[BACK[self.opening]]


@dataclass(frozen=True, kw_only=True, eq=False)
class PairedConnection:
    """One Multipath TCP (or plain TCP) connection with all that belongs to it at both ends."""

    id: int
    client_side: Side
    """At which machine the connection's client is: the server's, for FTP's active data."""
    views: Mapping[Side, tuple[Connection, ...]]
    """Connections of the captures that turned out to be this one.

    More than one where a join is a TCP connection of its own at one end, its option removed.
    """
    subflows: tuple[PairedSubflow, ...]
    """The initial subflow first, then the joins in the order of their time."""
    clock: ClockOffset | None
    one_sided: bool
    """Whether there was but one capture at all."""
    start_ns: int
    """Time of its first segment, by the client machine's clock where that captured it."""
    end_ns: int
    """Time of its last segment, the same way."""

    @property
    def at_both_ends(self) -> bool:
        """Whether both captures hold it; what one of two holds alone may be unrelated traffic."""
        return len(self.views) == len(Side)

    @property
    def initial(self) -> PairedSubflow | None:
        """The first subflow; none if only joins were captured."""
        return next((s for s in self.subflows if s.role is Role.INITIAL), None)

    @cached_property
    def comparable_lanes(self) -> tuple[tuple[PairedSubflow, Lane], ...]:
        """The lanes that both captures hold of subflows that are one TCP connection."""
        return tuple(
            (subflow, lane)
            for subflow in self.subflows
            if subflow.is_one_connection
            for lane in subflow.lanes.values()
            if lane.at_both_ends
        )

    @property
    def joins(self) -> tuple[PairedSubflow, ...]:
        """The further subflows."""
        return tuple(s for s in self.subflows if s.role is Role.JOIN)
