"""Pair the connections of two captures, and lay each subflow's two views beside each other."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from mptcp_check.analysis.capture.capture_file import Capture
from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.capture.packets import Flag
from mptcp_check.analysis.flows.connections import Connection, Role
from mptcp_check.analysis.pairing.alignment import cross
from mptcp_check.analysis.pairing.flow_matching import Match, match
from mptcp_check.analysis.pairing.flow_views import FlowView, flow_views
from mptcp_check.analysis.pairing.paired import (
    OTHER_SIDE,
    ClockOffset,
    Clue,
    Crossings,
    Half,
    HandshakeCrossings,
    Lane,
    MatchedBy,
    PairedConnection,
    PairedSubflow,
)
from mptcp_check.analysis.pairing.vantage import Vantage, clock_offset
from mptcp_check.model import Direction, Side

_FIRST_ACKS: Final = 32
"""Bare ACKs looked at for the third one: it is the first, or one of its retransmissions."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Flow:
    """One TCP connection at one or both ends."""

    views: Mapping[Side, FlowView]
    clues: tuple[Clue, ...]

    @property
    def any_view(self) -> FlowView:
        return self.views.get(Side.CLIENT) or self.views[Side.SERVER]


def pair(client: Capture, server: Capture | None) -> tuple[PairedConnection, ...]:
    """Find the connections that two captures have in common, and those that only one has.

    Args:
        client: The capture taken at the client's machine.
        server: The capture taken at the server's machine, if there is one.

    Returns:
        All connections, plain TCP too, in the order of their first segments by the client
        machine's clock.
    """
    here = flow_views(client, Side.CLIENT)
    there = () if server is None else flow_views(server, Side.SERVER)
    matches = match(here, there)
    flows = [*_matched(matches), *_alone(here, matches), *_alone(there, matches)]
    vantage = Vantage(matches, (flow.any_view for flow in flows if len(flow.views) == 1))
    sketches = [_Sketch(group, vantage) for group in _grouped(flows)]
    crossings = [item for sketch in sketches for item in sketch.sure_crossings()]
    clock = clock_offset(crossings)
    paired = [sketch.finish(clock, one_sided=server is None) for sketch in sketches]
    paired.sort(key=lambda connection: (connection.start_ns, connection.end_ns))
    return tuple(replace(connection, id=index) for index, connection in enumerate(paired))


def _matched(matches: Iterable[Match]) -> list[_Flow]:
    return [
        _Flow(views={Side.CLIENT: m.client, Side.SERVER: m.server}, clues=m.clues) for m in matches
    ]


def _alone(views: Sequence[FlowView], matches: Sequence[Match]) -> list[_Flow]:
    taken = {id(view) for m in matches for view in (m.client, m.server)}
    return [_Flow(views={view.side: view}, clues=()) for view in views if id(view) not in taken]


def _grouped(flows: Sequence[_Flow]) -> list[list[_Flow]]:
    """Put flows into one group that belong to one connection at either end (union-find)."""
    parent = list(range(len(flows)))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    first_of: dict[tuple[Side, int], int] = {}
    for index, flow in enumerate(flows):
        for side, view in flow.views.items():
            known = first_of.setdefault((side, view.connection.id), index)
            parent[root(index)] = root(known)
    groups: dict[int, list[_Flow]] = defaultdict(list)
    for index, flow in enumerate(flows):
        groups[root(index)].append(flow)
    return list(groups.values())


class _Sketch:
    """A connection whose clock is not known yet."""

    def __init__(self, flows: Sequence[_Flow], vantage: Vantage) -> None:
        # a join whose option was removed is a first subflow to the end that did not see it
        self._flows = sorted(flows, key=lambda f: (_role(f) is Role.JOIN, f.any_view.start_ns))
        first = self._flows[0]
        side = vantage.opener_side(first.any_view)
        self._client_side = side if _opening(first) is Direction.C2S else OTHER_SIDE[side]
        self._lanes = [self._lanes_of(flow) for flow in self._flows]

    def sure_crossings(self) -> list[tuple[Lane, Crossings]]:
        """Return handshake segments that are the same at both ends beyond doubt."""
        return [
            (lane, replace(found, arrived=tuple(c for c in found.arrived if _is_sure(c.by))))
            for flow, lanes in zip(self._flows, self._lanes, strict=True)
            if len(flow.views) == len(Side)
            for lane, found in _cross_handshake(flow, lanes, None)
        ]

    def finish(self, clock: ClockOffset | None, *, one_sided: bool) -> PairedConnection:
        subflows = tuple(
            self._subflow(index, flow, lanes, clock)
            for index, (flow, lanes) in enumerate(zip(self._flows, self._lanes, strict=True))
        )
        views: dict[Side, dict[int, Connection]] = defaultdict(dict)
        for flow in self._flows:
            for side, view in flow.views.items():
                views[side].setdefault(view.connection.id, view.connection)
        start_ns, end_ns = self._times(clock)
        return PairedConnection(
            id=0,
            client_side=self._client_side,
            views={side: tuple(found.values()) for side, found in views.items()},
            subflows=subflows,
            clock=clock,
            one_sided=one_sided,
            start_ns=start_ns,
            end_ns=end_ns,
        )

    def _subflow(
        self,
        index: int,
        flow: _Flow,
        lanes: Mapping[Direction, Lane],
        clock: ClockOffset | None,
    ) -> PairedSubflow:
        (_, syns), (_, synacks), (_, acks) = _cross_handshake(flow, lanes, clock)
        return PairedSubflow(
            id=index,
            role=_role(flow),
            opening=_opening(flow),
            views={side: view.subflow for side, view in flow.views.items()},
            lanes=lanes,
            handshake=HandshakeCrossings(syns=syns, synacks=synacks, acks=acks),
            paired_by=flow.clues,
        )

    def _lanes_of(self, flow: _Flow) -> Mapping[Direction, Lane]:
        opening = _opening(flow)
        lanes = {}
        for direction in (Direction.C2S, Direction.S2C):
            by_client = direction is Direction.C2S
            sender = self._client_side if by_client else OTHER_SIDE[self._client_side]
            halves = {
                side: view.opener if direction is opening else view.listener
                for side, view in flow.views.items()
            }
            lanes[direction] = Lane(
                direction=direction,
                sender=sender,
                sent=halves.get(sender),
                received=halves.get(OTHER_SIDE[sender]),
            )
        return lanes

    def _times(self, clock: ClockOffset | None) -> tuple[int, int]:
        behind_ns = {Side.CLIENT: 0, Side.SERVER: clock.middle_ns if clock else 0}
        views = [view for flow in self._flows for view in flow.views.values()]
        at_client = [view for view in views if view.side is Side.CLIENT] or views
        return (
            min(view.subflow.start_ns - behind_ns[view.side] for view in at_client),
            max(view.subflow.end_ns - behind_ns[view.side] for view in at_client),
        )


def _role(flow: _Flow) -> Role:
    joins = any(view.subflow.role is Role.JOIN for view in flow.views.values())
    return Role.JOIN if joins else Role.INITIAL


def _opening(flow: _Flow) -> Direction:
    """Return the direction of the SYN: only a view that knows of the join can tell."""
    by_server = any(view.subflow.opened_by_server for view in flow.views.values())
    return Direction.S2C if by_server else Direction.C2S


def _is_sure(by: MatchedBy) -> bool:
    return by in {MatchedBy.FIELDS, MatchedBy.ALONE}


def _cross_handshake(
    flow: _Flow, lanes: Mapping[Direction, Lane], clock: ClockOffset | None
) -> tuple[tuple[Lane, Crossings], tuple[Lane, Crossings], tuple[Lane, Crossings]]:
    """Match the three steps of a handshake: (lane, crossings) of SYN, SYN/ACK and third ACK."""
    opening = _opening(flow)
    opener = lanes[opening]
    listener = lanes[Direction.S2C if opening is Direction.C2S else Direction.C2S]
    return (
        (opener, _crossings(opener, Flag.SYN, clock)),
        (listener, _crossings(listener, Flag.SYN | Flag.ACK, clock)),
        (opener, _crossings(opener, Flag.ACK, clock)),
    )


def _crossings(lane: Lane, step: int, clock: ClockOffset | None) -> Crossings:
    chosen = [[] if half is None else _rows(half, step).tolist() for half in _ends(lane)]
    return cross(lane, chosen[0], chosen[1], clock)


def _ends(lane: Lane) -> tuple[Half | None, Half | None]:
    return lane.sent, lane.received


def _rows(half: Half, step: int) -> Column:
    """Return the rows of one step of the handshake; of bare ACKs only the first ones."""
    packets = half.capture.packets
    flags = packets.flags[half.rows]
    wanted = (flags & (Flag.SYN | Flag.ACK)) == step
    if step != Flag.ACK:
        return np.asarray(half.rows[wanted])
    bare = (packets.payload_bytes[half.rows] == 0) & ((flags & (Flag.FIN | Flag.RST)) == 0)
    first = np.flatnonzero(wanted & bare & (half.starts == 0))[:_FIRST_ACKS]
    return np.asarray(half.rows[first])
