"""Recognise flows by what many of their segments have in common: for those without a fingerprint.

A capture that began late has no SYN; a path that alters or resizes the payload spoils the samples.
What remains are data sequence mappings, sequence numbers, and parts of the payload.  Each one that
occurs in one flow only at both ends is a vote for this pair; many votes for one pair and hardly any
for others decide.
"""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import numpy as np

from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.capture.packets import DssFlag
from mptcp_check.analysis.pairing.flow_views import FlowView
from mptcp_check.analysis.pairing.halves import HalfTable
from mptcp_check.analysis.pairing.mptcp_options import options_of
from mptcp_check.analysis.pairing.paired import Clue
from mptcp_check.analysis.pairing.segment_matching import bytes_at, mixed

_LEAST_VOTES: Final = {Clue.MAPPING: 1, Clue.SEQUENCE: 1, Clue.PAYLOAD_PARTS: 3}
"""One mapping is 64 bits and more that no other connection has; eight bytes of text are not."""
_LEAD: Final = 2
"""How many times the votes of the next best pair."""
_WINDOW_BYTES: Final = 8
_FIRST_BYTES: Final = 8_192
"""Of each half that began with its SYN; the other end's stream begins there too."""
_LATE_BYTES: Final = 262_144
"""Of each half whose beginning one of the captures may have missed."""
_MOST_BYTES: Final = 64 << 20
"""Of one capture: what is left over is hardly ever that much."""
_ANCHOR_SHIFT: Final = np.uint64(60)
"""One place in 16 is an anchor: chosen by the bytes there, hence the same wherever they move."""


class Vote(NamedTuple):
    """Two flows, as indices, that have enough in common."""

    client: int
    server: int
    turned: bool
    """Whether the opener of one is the listener of the other."""
    clue: Clue


class _Marks(NamedTuple):
    """What may recognise a flow: a number each, and the flow and half it stands in."""

    values: Column
    flows: Column
    listens: Column
    """int64: 1 where the listener sent it, 0 for the opener."""


def vote_by_headers(
    client: Sequence[FlowView],
    here: Sequence[int],
    server: Sequence[FlowView],
    there: Sequence[int],
) -> list[Vote]:
    """Recognise flows by mappings and by sequence numbers.

    Args:
        client: Flows of the client's capture.
        here: Those of them that are in no pair.
        server: Flows of the server's capture.
        there: Those of them that are in no pair.
    """
    mappings = _decide(_mappings(client, here), _mappings(server, there), Clue.MAPPING)
    taken = {v.client for v in mappings}, {v.server for v in mappings}
    left = [i for i in here if i not in taken[0]], [j for j in there if j not in taken[1]]
    numbers = _decide(_numbers(client, left[0]), _numbers(server, left[1]), Clue.SEQUENCE)
    return [*mappings, *numbers]


def vote_by_payload(
    client: Sequence[FlowView],
    here: Sequence[int],
    server: Sequence[FlowView],
    there: Sequence[int],
) -> list[Vote]:
    """Recognise flows by parts of their payload, wherever they stand in it.

    Args:
        client: Flows of the client's capture.
        here: Those of them that are in no pair.
        server: Flows of the server's capture.
        there: Those of them that are in no pair.
    """
    late = any(
        views[index].subflow.midstream
        for views, left in ((client, here), (server, there))
        for index in left
    )
    most = _LATE_BYTES if late else _FIRST_BYTES
    return _decide(_anchors(client, here, most), _anchors(server, there, most), Clue.PAYLOAD_PARTS)


def _decide(client: _Marks, server: _Marks, clue: Clue) -> list[Vote]:
    """Count the marks that a flow here and a flow there have alone, and take clear winners."""
    client, server = _of_one_flow(client), _of_one_flow(server)
    _, at_client, at_server = np.intersect1d(
        client.values, server.values, assume_unique=True, return_indices=True
    )
    if not len(at_client):
        return []
    turned = client.listens[at_client] ^ server.listens[at_server]
    triples = np.stack((client.flows[at_client], server.flows[at_server], turned), axis=1)
    found, counts = np.unique(triples, axis=0, return_counts=True)
    best: dict[tuple[int, int], list[int]] = {}
    for (i, j, _), count in zip(found.tolist(), counts.tolist(), strict=True):
        for key in ((0, i), (1, j)):
            best.setdefault(key, []).append(count)
    votes = []
    for (i, j, crosswise), count in zip(found.tolist(), counts.tolist(), strict=True):
        clear = all(sum(c * _LEAD > count for c in best[key]) == 1 for key in ((0, i), (1, j)))
        if count >= _LEAST_VOTES[clue] and clear:
            votes.append(Vote(i, j, bool(crosswise), clue))
    return votes


def _of_one_flow(marks: _Marks) -> _Marks:
    """Keep one of each mark that only one direction of one flow has."""
    values, first, inverse = np.unique(marks.values, return_index=True, return_inverse=True)
    owner = 2 * marks.flows + marks.listens
    strange = np.zeros(len(values), np.bool_)
    strange[inverse[owner != owner[first][inverse]]] = True
    kept = first[~strange]
    return _Marks(marks.values[kept], marks.flows[kept], marks.listens[kept])


def _joined(parts: Iterable[tuple[Column, int, int]]) -> _Marks:
    """Put the marks of several halves into one table: (values, flow, whether it listens)."""
    values, flows, listens = [np.empty(0, np.uint64)], [], []
    lengths = [0]
    for own, flow, listening in parts:
        values.append(own)
        flows.append(flow)
        listens.append(listening)
        lengths.append(len(own))
    counts = np.array(lengths[1:], np.int64)
    return _Marks(
        np.concatenate(values),
        np.repeat(np.array(flows, np.int64), counts),
        np.repeat(np.array(listens, np.int64), counts),
    )


def _halves(views: Sequence[FlowView], chosen: Sequence[int]) -> Iterable[tuple[int, int, Column]]:
    for index in chosen:
        for listening, half in enumerate((views[index].opener, views[index].listener)):
            yield index, listening, half.rows


def _mappings(views: Sequence[FlowView], chosen: Sequence[int]) -> _Marks:
    if not chosen:
        return _joined(())
    dss = views[0].opener.capture.packets.dss
    long = int(DssFlag.MAPPING | DssFlag.DSN_64)

    def marks() -> Iterable[tuple[Column, int, int]]:
        for index, listening, rows in _halves(views, chosen):
            own = options_of(dss.packet, rows)
            own = own[(dss.flags[own] & dss.parts[own] & int(DssFlag.MAPPING)) != 0]
            own = own[(dss.flags[own] & long) == long]
            yield mixed([dss.dsn[own], dss.ssn[own], dss.data_length[own]]), index, listening

    return _joined(marks())


def _numbers(views: Sequence[FlowView], chosen: Sequence[int]) -> _Marks:
    if not chosen:
        return _joined(())
    packets = views[0].opener.capture.packets

    def marks() -> Iterable[tuple[Column, int, int]]:
        for index, listening, rows in _halves(views, chosen):
            own = rows[packets.payload_bytes[rows] > 0]
            fields = [packets.seq[own], packets.ack[own], packets.payload_bytes[own]]
            yield mixed(fields), index, listening

    return _joined(marks())


def _anchors(views: Sequence[FlowView], chosen: Sequence[int], most_bytes: int) -> _Marks:
    """Return places of payloads that are chosen by the bytes there, with these bytes."""
    if not chosen:
        return _joined(())
    left = [_MOST_BYTES]

    def marks() -> Iterable[tuple[Column, int, int]]:
        for index in chosen:
            for listening, half in enumerate((views[index].opener, views[index].listener)):
                if left[0] <= 0:
                    return
                values, count = _anchors_of(half.table, half.rows, most_bytes)
                left[0] -= count
                yield values, index, listening

    return _joined(marks())


def _anchors_of(table: HalfTable, rows: Column, most_bytes: int) -> tuple[Column, int]:
    packets = table.capture.packets
    captured = packets.captured_bytes[rows].astype(np.int64)
    captured = captured[captured >= _WINDOW_BYTES]
    own = rows[packets.captured_bytes[rows] >= _WINDOW_BYTES]
    own = own[np.cumsum(captured) - captured < most_bytes]
    counts = packets.captured_bytes[own].astype(np.int64) - (_WINDOW_BYTES - 1)
    inside = np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
    places = np.repeat(packets.payload_offset[own], counts) + inside
    values = mixed([bytes_at(table.capture.buffer, places)])
    return values[values >> _ANCHOR_SHIFT == 0], len(places)
