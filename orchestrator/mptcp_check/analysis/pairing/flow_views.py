"""One TCP connection as one capture shows it, with what may recognise it in another capture."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from mptcp_check.analysis.capture.capture_file import Capture
from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.capture.packets import Flag, Present
from mptcp_check.analysis.flows.connections import Connection, Subflow, connections
from mptcp_check.analysis.flows.endpoints import Endpoint
from mptcp_check.analysis.pairing.halves import UNKNOWN, Half, HalfTable
from mptcp_check.analysis.pairing.paired import Clue
from mptcp_check.analysis.pairing.payload_samples import samples
from mptcp_check.model import Side

_TIMESTAMPS_KIND: Final = 8
_SYN: Final = int(Flag.SYN)
_ACK: Final = int(Flag.ACK)
_PEER_KEY: Final = int(Present.PEER_KEY)
_CROSSWISE: Final[Mapping[Clue, Clue]] = {
    Clue.ISN_OPENER: Clue.ISN_LISTENER,
    Clue.ISN_LISTENER: Clue.ISN_OPENER,
    Clue.PAYLOAD_OPENER: Clue.PAYLOAD_LISTENER,
    Clue.PAYLOAD_LISTENER: Clue.PAYLOAD_OPENER,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """How long an end waited in the handshake, as one capture saw it; none if it did not."""

    answer_ns: int | None
    """From the first SYN to the first SYN/ACK."""
    third_ns: int | None
    """From the first SYN/ACK to the opener's first ACK."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FlowView:
    """A subflow of a capture, seen from its opener."""

    side: Side
    connection: Connection
    subflow: Subflow
    opener: Half
    """What the sender of the SYN sent, as this capture holds it."""
    listener: Half
    opener_endpoint: Endpoint
    listener_endpoint: Endpoint
    fingerprints: Mapping[Clue, Hashable]
    """What is equal in the other capture, unless the path rewrites it."""
    waits: Waits

    @property
    def start_ns(self) -> int:
        """Time of the first segment by this capture's clock."""
        return self.subflow.start_ns

    def turned(self) -> "FlowView":
        """Return the same with opener and listener exchanged: without a SYN they are a guess."""
        prints = {_CROSSWISE.get(clue, clue): value for clue, value in self.fingerprints.items()}
        prints[Clue.ADDRESSES] = (self.listener_endpoint, self.opener_endpoint)
        known = self.subflow
        return replace(
            self,
            subflow=replace(
                known,
                client=known.server,
                server=known.client,
                isn_client=known.isn_server,
                isn_server=known.isn_client,
                rows_c2s=known.rows_s2c,
                rows_s2c=known.rows_c2s,
            ),
            opener=self.listener,
            listener=self.opener,
            opener_endpoint=self.listener_endpoint,
            listener_endpoint=self.opener_endpoint,
            fingerprints=prints,
        )


def flow_views(capture: Capture, side: Side) -> tuple[FlowView, ...]:
    """Return every TCP connection of a capture, in the order of time."""
    found = [
        (connection, subflow)
        for connection in connections(capture.packets)
        for subflow in connection.subflows
    ]
    found.sort(key=lambda item: item[1].start_ns)
    rows: list[Column] = []
    isns: list[int] = []
    for _, subflow in found:
        streams = (
            (subflow.rows_c2s, subflow.isn_client),
            (subflow.rows_s2c, subflow.isn_server),
        )
        for own, isn in streams[::-1] if subflow.opened_by_server else streams:
            rows.append(own)
            isns.append(UNKNOWN if isn is None else isn)
    table = HalfTable(capture, side, rows, isns)
    parts = samples(table)
    stamps, waits = _stamps(table), _waits(table)
    halves = table.halves
    views = []
    for number, (connection, subflow) in enumerate(found):
        ends = subflow.client, subflow.server
        opener_end, listener_end = ends[::-1] if subflow.opened_by_server else ends
        opener, listener = halves[2 * number], halves[2 * number + 1]
        prints = _fingerprints(subflow, opener, listener)
        if (stamp := stamps[2 * number]) != UNKNOWN:
            prints[Clue.TIMESTAMP] = stamp
        if (data := parts[2 * number]) is not None:
            prints[Clue.PAYLOAD_OPENER] = data
        if (data := parts[2 * number + 1]) is not None:
            prints[Clue.PAYLOAD_LISTENER] = data
        prints[Clue.ADDRESSES] = (opener_end, listener_end)
        views.append(
            FlowView(
                side=side,
                connection=connection,
                subflow=subflow,
                opener=opener,
                listener=listener,
                opener_endpoint=opener_end,
                listener_endpoint=listener_end,
                fingerprints=prints,
                waits=waits[number],
            )
        )
    return tuple(views)


def _fingerprints(subflow: Subflow, opener: Half, listener: Half) -> dict[Clue, Hashable]:
    found: dict[Clue, Hashable] = {}
    handshake = subflow.handshake
    for signal in (handshake.capable_synack, handshake.capable_ack):
        # the listener's key: the SYN/ACK has it as key, the third ACK as the peer's
        key = signal and (signal.peer_key if signal.present & _PEER_KEY else signal.key)
        if key:
            found[Clue.KEYS] = key
            break
    if handshake.join_syn:
        found[Clue.JOIN] = (handshake.join_syn.token, handshake.join_syn.nonce)
    if opener.isn is not None:
        found[Clue.ISN_OPENER] = opener.isn
    if listener.isn is not None:
        found[Clue.ISN_LISTENER] = listener.isn
    return found


def _stamps(table: HalfTable) -> list[int]:
    """Return the timestamp of each half's first SYN, `UNKNOWN` without one."""
    first = first_positions(table, _SYN)
    known = np.flatnonzero(first != UNKNOWN)
    rows = table.rows[first[known]]
    packets = table.capture.packets
    stamped = (packets.option_kinds[rows] >> _TIMESTAMPS_KIND & 1) != 0
    found = np.full(len(table), UNKNOWN, np.int64)
    found[known[stamped]] = packets.ts_value[rows[stamped]]
    answer: list[int] = found.tolist()
    return answer


def _waits(table: HalfTable) -> list[Waits]:
    syn = _times(table, _SYN)[::2]
    synack = _times(table, _SYN | _ACK)[1::2]
    third = _times(table, _ACK)[::2]
    return [
        Waits(
            answer_ns=None if a is None or b is None else b - a,
            third_ns=None if b is None or c is None else c - b,
        )
        for a, b, c in zip(syn, synack, third, strict=True)
    ]


def _times(table: HalfTable, wanted: int) -> list[int | None]:
    first = first_positions(table, wanted)
    if not len(table.rows):
        return [None] * len(first)
    times: list[int] = table.time_ns[np.maximum(first, 0)].tolist()
    return [
        None if place == UNKNOWN else time_ns
        for place, time_ns in zip(first.tolist(), times, strict=True)
    ]


def first_positions(table: HalfTable, wanted: int) -> Column:
    """Return each half's first position whose SYN and ACK are the wanted ones, else `UNKNOWN`."""
    places = np.flatnonzero((table.flags & (_SYN | _ACK)) == wanted)
    found = np.full(len(table), UNKNOWN, np.int64)
    # of several writes to one cell the last one stays
    found[table.half_of[places[::-1]]] = places[::-1]
    return found
