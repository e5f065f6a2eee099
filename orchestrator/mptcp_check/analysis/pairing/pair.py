"""Pair the connections of two captures, and lay each subflow's two views beside each other."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from mptcp_check.analysis.capture.capture_file import Capture
from mptcp_check.analysis.flows.connections import Connection, Role
from mptcp_check.analysis.pairing.flow_matching import Match, match
from mptcp_check.analysis.pairing.flow_views import FlowView, flow_views
from mptcp_check.analysis.pairing.paired import (
    BACK,
    MADE_BY_THE_ENDS,
    OTHER_SIDE,
    ClockOffset,
    Clue,
    Half,
    HandshakeCrossings,
    PairedConnection,
    PairedSubflow,
)
from mptcp_check.analysis.pairing.shared_lanes import LaneSpot, SharedLanes
from mptcp_check.analysis.pairing.vantage import Vantage
from mptcp_check.model import FRAME_DIRECTIONS, Direction, Side


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
    lanes = SharedLanes(spot for sketch in sketches for spot in sketch.shared_lanes())
    paired = [sketch.finish(lanes, one_sided=server is None) for sketch in sketches]
    paired.sort(key=lambda connection: (connection.start_ns, connection.end_ns))
    return tuple(replace(connection, id=index) for index, connection in enumerate(paired))


def _matched(matches: Iterable[Match]) -> list[_Flow]:
    return [
        _Flow(views={Side.CLIENT: m.client, Side.SERVER: m.server}, clues=m.clues) for m in matches
    ]


def _alone(views: Sequence[FlowView], matches: Sequence[Match]) -> list[_Flow]:
    # a view that was turned is another object: its first half stays the same one
    taken = {(view.side, view.opener.number // 2) for m in matches for view in (m.client, m.server)}
    return [
        _Flow(views={view.side: view}, clues=())
        for view in views
        if (view.side, view.opener.number // 2) not in taken
    ]


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
        self._openings = [_opening(flow) for flow in self._flows]

    def shared_lanes(self) -> Iterator[LaneSpot]:
        """Yield the lanes that both captures hold."""
        for flow, opening in zip(self._flows, self._openings, strict=True):
            if len(flow.views) < len(Side):
                continue
            for direction in FRAME_DIRECTIONS:
                sender, halves = self._halves(flow, opening, direction)
                genuine = not MADE_BY_THE_ENDS.isdisjoint(flow.clues)
                yield LaneSpot(sender, halves[sender], halves[OTHER_SIDE[sender]], genuine)

    def finish(self, shared: SharedLanes, *, one_sided: bool) -> PairedConnection:
        """Make the value, now that the clocks' difference is known."""
        subflows = tuple(
            self._subflow(index, flow, opening, shared)
            for index, (flow, opening) in enumerate(zip(self._flows, self._openings, strict=True))
        )
        views: dict[Side, dict[int, Connection]] = defaultdict(dict)
        for flow in self._flows:
            for side, view in flow.views.items():
                views[side].setdefault(view.connection.id, view.connection)
        start_ns, end_ns = self._times(shared.clock)
        return PairedConnection(
            id=0,
            client_side=self._client_side,
            views={side: tuple(found.values()) for side, found in views.items()},
            subflows=subflows,
            clock=shared.clock,
            one_sided=one_sided,
            start_ns=start_ns,
            end_ns=end_ns,
        )

    def _subflow(
        self, index: int, flow: _Flow, opening: Direction, shared: SharedLanes
    ) -> PairedSubflow:
        lanes = {
            direction: shared.lane(direction, *self._halves(flow, opening, direction))
            for direction in FRAME_DIRECTIONS
        }
        return PairedSubflow(
            id=index,
            role=_role(flow),
            opening=opening,
            views={side: view.subflow for side, view in flow.views.items()},
            lanes=lanes,
            handshake=HandshakeCrossings(
                opener=lanes[opening], listener=lanes[BACK[opening]], clock=shared.clock
            ),
            paired_by=flow.clues,
        )

    def _halves(
        self, flow: _Flow, opening: Direction, direction: Direction
    ) -> tuple[Side, dict[Side, Half]]:
        """Return who sends in a direction, and the halves of it."""
        by_client = direction is Direction.C2S
        sender = self._client_side if by_client else OTHER_SIDE[self._client_side]
        if direction is opening:
            return sender, {side: view.opener for side, view in flow.views.items()}
        return sender, {side: view.listener for side, view in flow.views.items()}

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
