"""From the numbers of `state` to tables of what people read, some connections at a time."""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.flows.assembly import CLOSES, KINDS, MPTCP, Assembly
from mptcp_check.analysis.flows.subflows import HmacState, Role
from mptcp_check.analysis.metrics.result_cells import known, means, rates, tokens
from mptcp_check.analysis.metrics.round_trip_quantiles import round_trips
from mptcp_check.analysis.metrics.state_tables import (
    ALL_DATA,
    BY_ACKS,
    BY_STAMPS,
    OFFERS_SACK,
    OFFERS_STAMPS,
    OWN_DATA,
    RESULT_RECORD,
    SEQUENCE,
    UNKNOWN,
    fresh,
)
from mptcp_check.analysis.metrics.tracking import Tracker
from mptcp_check.analysis.tables.table import Cells, Table, numbers, one_of

BATCH_SUBFLOWS: Final = 512
"""Made into rows at once: their text is two megabytes."""

ROLES: Final = (Role.INITIAL, Role.JOIN)
HMAC_STATES: Final = (HmacState.UNKNOWN, HmacState.OK, HmacState.BAD)

_SILENT: Final = fresh(RESULT_RECORD)
"""What is said of an end that sent nothing."""


class Batch(NamedTuple):
    """Some connections; the columns are named as the fields of `values`."""

    first: int
    """Number of the first connection."""
    connections: Table
    """A row per connection: the fields of `ConnectionMetrics` up to ``add_addr_leftmost_count``."""
    data: tuple[Table, Table]
    """A row per connection, by the client and by the server: `DataMetrics`."""
    starts: Column
    """Where each connection's subflows begin, and where the last one's end."""
    subflows: Table
    """A row per subflow: the fields of `SubflowMetrics` up to ``join_delay_ns``."""
    directions: tuple[Table, Table]
    """A row per subflow: `DirectionMetrics`, with ``rtt_acks_count`` for ``rtt_acks.count``."""

    def __len__(self) -> int:
        """Return the count of connections."""
        return len(self.starts) - 1


class Results:
    """What was measured on all connections of a capture; the tracker measures no more."""

    def __init__(self, tracker: Tracker) -> None:
        tracker.finish()
        state = tracker.state
        self._tracker = tracker
        self._sequence_spans = state.spans(SEQUENCE)
        self._data_spans = state.spans(ALL_DATA)
        self._forgotten = state.forgotten(SEQUENCE)
        self._forgotten_own = state.forgotten(OWN_DATA)
        self._forgotten_data = state.forgotten(ALL_DATA)
        # All that is read out now takes the place of what is given back here.
        cells = state.release()
        self._directions = state.directions
        self._median_ns, self._p95_ns, self._stddev_ns = round_trips(
            cells, 4 * len(tracker.openers)
        )
        del cells
        self.assembly = Assembly(tracker)
        """Which TCP connections each connection is made of, and what it is."""
        self.assembly.handshakes.release()
        tracker.release()

    def batches(self) -> Iterator[Batch]:
        """Yield all connections, as many at a time as have `BATCH_SUBFLOWS` subflows."""
        starts = self.assembly.members.starts
        first, count = 0, len(self.assembly.members)
        while first < count:
            end = int(np.searchsorted(starts, starts[first] + BATCH_SUBFLOWS, side="right")) - 1
            stop = min(max(end, first + 1), count)
            yield self.batch(first, stop)
            first = stop

    def batch(self, first: int, stop: int) -> Batch:
        """Return the connections from one number up to another one."""
        assembly = self.assembly
        members = slice(int(assembly.members.starts[first]), int(assembly.members.starts[stop]))
        starts = assembly.members.starts[first : stop + 1] - members.start
        flow = assembly.members.flow[members]
        client = 2 * flow + assembly.client_end[members]
        ends = self._ends(flow, assembly.client_end[members])
        owner = np.repeat(np.arange(stop - first), np.diff(starts))
        c2s, s2c = (self._data(first, stop, starts, owner, client ^ side) for side in range(2))
        directions = tuple(
            self._direction(client ^ side, data["data_bytes"].values[owner])
            for side, data in enumerate((c2s, s2c))
        )
        subflows = self._subflows(members, ends, owner, assembly.start_ns[first:stop])
        connections = self._connections(first, stop, ends, starts[:-1])
        # Its handshake is that of the initial subflow.
        known = subflows["handshake_ns"]
        connections["handshake_ns"] = numbers(
            known.values[starts[:-1]],
            ~_missing(known)[starts[:-1]] & ~assembly.orphan[first:stop],
        )
        return Batch(
            first=first,
            connections=_ordered(connections, CONNECTION_COLUMNS),
            data=(c2s, s2c),
            starts=starts,
            subflows=subflows,
            directions=(directions[0], directions[1]),
        )

    def payload_bytes(self) -> Column:
        """Return the TCP payload of each connection."""
        members = self.assembly.members
        payload = self._directions["payload"]
        sent = payload[2 * members.flow] + payload[2 * members.flow + 1]
        found: Column = np.add.reduceat(sent, members.starts[:-1]) if len(sent) else sent
        return found

    def _ends(self, flow: Column, client_end: Column) -> tuple[list[str], list[str]]:
        """Return client and server of subflows."""
        texts = self._tracker.end_texts
        return texts(flow, client_end), texts(flow, client_end ^ 1)

    def _connections(
        self, first: int, stop: int, ends: tuple[list[str], list[str]], initial: Column
    ) -> Table:
        assembly, some = self.assembly, slice(first, stop)
        keys = assembly.keys
        clients, servers = ends
        checksum = keys.checksum_required[some]
        return {
            "id": numbers(np.arange(first, stop)),
            "kind": one_of(assembly.kind[some], KINDS),
            "mptcp_version": known(keys.version[some]),
            "client": one_of(initial, clients),
            "server": one_of(initial, servers),
            "token_client": tokens(keys.token_client[some]),
            "token_server": tokens(keys.token_server[some]),
            "checksum_required": numbers(checksum > 0, checksum != UNKNOWN),
            "established": numbers(assembly.established[some]),
            "orphan": numbers(assembly.orphan[some]),
            "close": one_of(assembly.close[some], CLOSES),
            "start_ns": numbers(assembly.start_ns[some]),
            "end_ns": numbers(assembly.end_ns[some]),
            "add_addr_ok_count": numbers(assembly.add_addr_ok[some]),
            "add_addr_bad_count": numbers(assembly.add_addr_bad[some]),
            "add_addr_leftmost_count": numbers(assembly.add_addr_leftmost[some]),
        }

    def _subflows(
        self, members: slice, ends: tuple[list[str], list[str]], owner: Column, start_ns: Column
    ) -> Table:
        assembly, tracker = self.assembly, self._tracker
        flow = assembly.members.flow[members]
        by_server = assembly.members.by_server[members]
        joining = assembly.joining[members]
        rows = np.arange(len(flow))
        opener = 2 * flow + (assembly.client_end[members] ^ by_server)
        asked = self._directions["syn_ns"][opener]
        answered = self._directions["syn_ns"][opener ^ 1]
        ok, bad = assembly.hmac_ok[members], assembly.hmac_bad[members]
        first_of = np.searchsorted(owner, owner)
        return {
            "id": numbers(rows - first_of),
            "flow": numbers(flow),
            "role": one_of(joining, ROLES),
            "complete": numbers(assembly.complete[members]),
            "midstream": numbers(tracker.midstream[flow]),
            "opened_by_server": numbers(by_server),
            "hmac": one_of(np.select([bad > 0, ok > 0], [2, 1]), HMAC_STATES),
            "hmac_ok_count": numbers(ok),
            "hmac_bad_count": numbers(bad),
            "backup": numbers(assembly.backup[members]),
            "speaks_mptcp": numbers(tracker.speaks_mptcp[flow]),
            "client": one_of(rows, ends[0]),
            "server": one_of(rows, ends[1]),
            "token": tokens(np.where(joining, assembly.handshakes.asked[flow], UNKNOWN)),
            "start_ns": numbers(tracker.start_ns[flow]),
            "end_ns": numbers(tracker.end_ns[flow]),
            "handshake_ns": numbers(answered - asked, (asked != UNKNOWN) & (answered != UNKNOWN)),
            "join_delay_ns": numbers(asked - start_ns[owner], joining & (asked != UNKNOWN)),
        }

    def _direction(self, directions: Column, total_bytes: Column) -> Table:
        """Return what was measured on directions.

        Args:
            directions: Which ones.
            total_bytes: Data of the connection in this direction.
        """
        one = self._directions[directions]
        sent = one["packets"] > 0
        one[~sent] = _SILENT
        unique, mappings = one["unique"], one["mappings"]
        checked = one["checksums_ok"] + one["checksums_bad"]
        shared = (mappings > 0) & (total_bytes > 0)
        span_ns = one["last_data_ns"] - one["first_data_ns"]
        missed = self._sequence_spans[directions] - unique
        return {
            "packets_count": numbers(one["packets"]),
            "payload_bytes": numbers(one["payload"]),
            "data_packets_count": numbers(one["data_packets"]),
            "unique_bytes": numbers(unique),
            "retransmitted_bytes": numbers(one["payload"] - unique),
            "retransmitted_count": numbers(one["retransmitted_count"]),
            "out_of_order_count": numbers(one["out_of_order"]),
            "missed_bytes": numbers(np.where(sent, np.maximum(missed, 0), 0)),
            "forgotten_hole_bytes": numbers(self._forgotten[directions]),
            "ack_count": numbers(one["acks"]),
            "pure_ack_count": numbers(one["pure_acks"]),
            "duplicate_ack_count": numbers(one["duplicate_acks"]),
            "triple_duplicate_ack_count": numbers(one["triple_acks"]),
            "sack_permitted": numbers(one["offers"] & OFFERS_SACK > 0),
            "sack_count": numbers(one["sacks"]),
            "dsack_count": numbers(one["dsacks"]),
            "sack_blocks_max": numbers(one["sack_blocks_max"]),
            "zero_window_count": numbers(one["zero_windows"]),
            "zero_window_ns": numbers(one["zero_window_ns"]),
            "zero_window_probe_count": numbers(one["zero_probes"]),
            "zero_window_probe_bytes": numbers(one["zero_probe_bytes"]),
            "window_max_bytes": numbers(one["window_max"]),
            "window_min_bytes": known(one["window_min"]),
            "window_mean_bytes": means(one["window_sum"], one["windows"]),
            "window_scale": known(one["scale"]),
            "timestamps_offered": numbers(one["offers"] & OFFERS_STAMPS > 0),
            "mss_bytes": known(one["mss"]),
            "segment_max_bytes": numbers(one["segment_max"]),
            "segment_min_bytes": known(one["segment_min"]),
            "initial_window_bytes": numbers(one["initial_window"]),
            "initial_window_count": numbers(one["initial_segments"]),
            "flight_max_bytes": numbers(one["flight_max"]),
            "syn_count": numbers(one["syns"]),
            "fin_count": numbers(one["fins"]),
            "rst_count": numbers(one["rsts"]),
            "push_count": numbers(one["pushes"]),
            "urgent_count": numbers(one["urgents"]),
            "urgent_bytes": numbers(one["urgent_bytes"]),
            "ecn_ce_count": numbers(one["ce_marks"]),
            "ece_count": numbers(one["eces"]),
            "cut_count": numbers(one["cuts"]),
            "cut_bytes": numbers(one["cut_bytes"]),
            "first_ns": numbers(one["first_ns"], sent),
            "last_ns": numbers(one["last_ns"], sent),
            "first_data_ns": known(one["first_data_ns"]),
            "last_data_ns": known(one["last_data_ns"]),
            "idle_max_ns": numbers(one["idle_max_ns"]),
            "throughput_bps": rates(unique, span_ns),
            "syn_rtt_ns": numbers(
                one["syn_acked_ns"] - one["syn_ns"],
                (one["syn_acked_ns"] != UNKNOWN) & (one["syns"] == 1),
            ),
            **self._times("rtt_timestamps", 2 * directions + BY_STAMPS, one, "stamp"),
            **self._times("rtt_acks", 2 * directions + BY_ACKS, one, "ack"),
            "mapping_count": numbers(mappings),
            "doubtful_mapping_count": numbers(one["mappings_in_doubt"]),
            "mapped_bytes": numbers(one["mapped"]),
            "duplicate_mapped_bytes": numbers(one["duplicate_mapped"]),
            "reinjected_bytes": numbers(one["reinjected"]),
            "forgotten_mapped_bytes": numbers(self._forgotten_own[directions]),
            "infinite_mapping_count": numbers(one["infinite"]),
            "dss_checksum_ok_count": numbers(one["checksums_ok"]),
            "dss_checksum_bad_count": numbers(one["checksums_bad"]),
            "dss_checksum_unknown_count": numbers(one["checksums"] - checked),
            "data_ack_count": numbers(one["data_acks"]),
            "data_share": numbers(one["fresh"] / np.maximum(total_bytes, 1), shared),
        }

    def _times(self, name: str, histograms: Column, one: npt.NDArray[np.void], kind: str) -> Table:
        count, least = one[f"{kind}_samples"], one[f"{kind}_min_ns"]
        any_ = count > 0
        return {
            f"{name}_count": numbers(count),
            f"{name}_min_ns": numbers(least, any_),
            f"{name}_median_ns": numbers(np.maximum(self._median_ns[histograms], least), any_),
            f"{name}_p95_ns": numbers(np.maximum(self._p95_ns[histograms], least), any_),
            f"{name}_max_ns": numbers(one[f"{kind}_max_ns"], any_),
            f"{name}_mean_ns": means(one[f"{kind}_sum_ns"], count),
            f"{name}_stddev_ns": numbers(self._stddev_ns[histograms], any_),
        }

    def _data(
        self, first: int, stop: int, starts: Column, owner: Column, directions: Column
    ) -> Table:
        """Return one direction of connections' data.

        Joined subflows count in the numbers of the initial one; where their connection became
        known too late for that, each has numbers of its own, and these are added.  Of plain TCP
        the sequence numbers say what is new.
        """
        fields = self._directions
        counted = fields["counted_in"][directions].astype(np.int64)
        # Each place where data was counted is one part of its connection.
        parts = np.unique(np.stack([owner, counted]), axis=1)
        parts = parts[:, fields["data_bytes"][parts[1]] > 0]
        found = _sums(fields, parts[0], parts[1], self._data_spans, stop - first)
        np.add.at(found["forgotten_hole_bytes"], parts[0], self._forgotten_data[parts[1]])
        plain = np.flatnonzero(
            (found["data_bytes"] == 0) & (self.assembly.kind[first:stop] != MPTCP)
        )
        streams = directions[starts[plain]]
        one = fields[streams]
        unique = one["unique"]
        some = unique > 0
        plain, streams, one, unique = plain[some], streams[some], one[some], unique[some]
        found["data_bytes"][plain] = unique
        found["duplicate_bytes"][plain] = one["payload"] - unique
        found["forgotten_hole_bytes"][plain] = self._forgotten[streams]
        found["missing_bytes"][plain] = np.maximum(self._sequence_spans[streams] - unique, 0)
        found["out_of_order_count"][plain] = one["out_of_order"]
        found["first_ns"][plain] = one["first_data_ns"]
        found["last_ns"][plain] = one["last_data_ns"]
        any_ = found["data_bytes"] > 0
        table = {name: numbers(column) for name, column in found.items()}
        for name in ("first_ns", "last_ns"):
            table[name] = numbers(found[name], any_)
        span_ns = np.where(any_, found["last_ns"] - found["first_ns"], 0)
        return {**table, "goodput_bps": rates(found["data_bytes"], span_ns)}


CONNECTION_COLUMNS: Final = (
    *("id", "kind", "mptcp_version", "client", "server", "token_client", "token_server"),
    *("checksum_required", "established", "orphan", "close", "start_ns", "end_ns"),
    *("handshake_ns", "add_addr_ok_count", "add_addr_bad_count", "add_addr_leftmost_count"),
)

NOTHING: Final = "-"
"""In place of a field: the column is not made of one."""

DATA_PARTS: Final[dict[str, tuple[str, np.ufunc]]] = {
    "data_bytes": ("data_bytes", np.add),
    "acknowledged_bytes": ("data_acked", np.add),
    "duplicate_bytes": ("data_duplicate", np.add),
    "reinjected_bytes": ("data_reinjected", np.add),
    "missing_bytes": ("", np.add),
    "forgotten_hole_bytes": (NOTHING, np.add),
    "out_of_order_count": ("data_out_of_order", np.add),
    "gap_count": ("data_gaps", np.add),
    "reorder_max_bytes": ("reorder_max", np.maximum),
    "head_of_line_ns": ("head_of_line_ns", np.add),
    "head_of_line_max_ns": ("head_of_line_max_ns", np.maximum),
    "first_ns": ("data_first_ns", np.minimum),
    "last_ns": ("data_last_ns", np.maximum),
}
"""Columns of a connection's data: the field they are made of, and how parts are put together."""


def _sums(
    fields: npt.NDArray[np.void], owner: Column, place: Column, spans: Column, count: int
) -> dict[str, Column]:
    """Put the parts of connections' data together.

    Args:
        fields: Of all directions.
        owner: The connection of each part, ascending.
        place: The direction that it was counted in.
        spans: How far the data of each direction reaches.
        count: How many connections there are.
    """
    found = {name: np.zeros(count, np.int64) for name in DATA_PARTS}
    if not len(owner):
        return found
    heads = np.flatnonzero(np.diff(owner, prepend=-1))
    for name, (field, put) in DATA_PARTS.items():
        if field is NOTHING:
            continue
        if field:
            parts = fields[field][place].astype(np.int64)
        else:
            parts = np.maximum(spans[place] - fields["data_bytes"][place], 0)
        found[name][owner[heads]] = put.reduceat(parts, heads)
    return found


def _missing(cells: Cells) -> Column:
    return np.zeros(len(cells.values), np.bool_) if cells.missing is None else cells.missing


def _ordered(table: Table, names: Sequence[str]) -> Table:
    return {name: table[name] for name in names}
