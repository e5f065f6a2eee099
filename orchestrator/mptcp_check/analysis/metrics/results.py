"""From the numbers of `state` to the values that people read."""

from typing import Final

import numpy as np

from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.flows.connections import Connection, Kind, Role, Subflow
from mptcp_check.analysis.metrics.round_trip_kernel import SUB_BITS
from mptcp_check.analysis.metrics.state import State
from mptcp_check.analysis.metrics.state_tables import (
    ALL_DATA,
    BY_ACKS,
    BY_STAMPS,
    CELL_BITS,
    DIRECTION_FIELDS,
    SEQUENCE,
    UNKNOWN,
)
from mptcp_check.analysis.metrics.values import (
    ConnectionMetrics,
    DataMetrics,
    DirectionMetrics,
    RoundTrips,
    SubflowMetrics,
)

NANOSECONDS: Final = 1_000_000_000


class Results:
    """All directions, read out once."""

    def __init__(self, state: State, openers: list[int]) -> None:
        self._directions = state.directions
        self._openers = openers
        self._read: dict[int, dict[str, int]] = {}
        """Of the connection at hand: each direction is asked for more than once."""
        self._sequence_spans = state.spans(SEQUENCE)
        self._data_spans = state.spans(ALL_DATA)
        self._median_ns, self._p95_ns = round_trips(state.cells, 4 * len(openers))

    def connection(self, connection: Connection) -> ConnectionMetrics:
        """Return a connection with all its metrics."""
        self._read.clear()
        c2s = self._data(connection, client=True)
        s2c = self._data(connection, client=False)
        subflows = tuple(
            self._subflow(connection, subflow, (c2s.data_bytes, s2c.data_bytes))
            for subflow in connection.subflows
        )
        return ConnectionMetrics(
            id=connection.id,
            kind=connection.kind,
            mptcp_version=connection.mptcp_version,
            client=connection.client,
            server=connection.server,
            token_client=connection.token_client,
            token_server=connection.token_server,
            checksum_required=connection.checksum_required,
            established=connection.established,
            orphan=connection.orphan,
            close=connection.close,
            start_ns=connection.start_ns,
            end_ns=connection.end_ns,
            handshake_ns=subflows[0].handshake_ns if subflows[0].role is Role.INITIAL else None,
            add_addr_ok_count=connection.add_addr_ok_count,
            add_addr_bad_count=connection.add_addr_bad_count,
            c2s=c2s,
            s2c=s2c,
            subflows=subflows,
        )

    def _one(self, direction: int) -> dict[str, int]:
        known = self._read.get(direction)
        if known is None:
            cells = self._directions[direction].item()
            known = self._read[direction] = dict(zip(DIRECTION_FIELDS, cells, strict=True))
        return known

    def _client_end(self, subflow: Subflow) -> int:
        return self._openers[subflow.flow] ^ int(subflow.opened_by_server)

    def _subflow(
        self, connection: Connection, subflow: Subflow, totals: tuple[int, int]
    ) -> SubflowMetrics:
        client = 2 * subflow.flow + self._client_end(subflow)
        opener, listener = (
            (client ^ 1, client) if subflow.opened_by_server else (client, client ^ 1)
        )
        asked = self._one(opener)["syn_ns"]
        answered = self._one(listener)["syn_ns"]
        joined = subflow.role is Role.JOIN
        syn = subflow.handshake.join_syn
        return SubflowMetrics(
            id=subflow.id,
            flow=subflow.flow,
            role=subflow.role,
            complete=subflow.complete,
            midstream=subflow.midstream,
            opened_by_server=subflow.opened_by_server,
            hmac=subflow.hmac,
            hmac_ok_count=subflow.hmac_ok_count,
            hmac_bad_count=subflow.hmac_bad_count,
            backup=subflow.backup,
            speaks_mptcp=subflow.speaks_mptcp,
            client=subflow.client,
            server=subflow.server,
            token=syn.token if joined and syn else None,
            start_ns=subflow.start_ns,
            end_ns=subflow.end_ns,
            handshake_ns=answered - asked if UNKNOWN not in (asked, answered) else None,
            join_delay_ns=asked - connection.start_ns if joined and asked != UNKNOWN else None,
            c2s=self._direction(client, totals[0]),
            s2c=self._direction(client ^ 1, totals[1]),
        )

    def _direction(self, direction: int, total_bytes: int) -> DirectionMetrics:
        one = self._one(direction)
        if not one["packets"]:
            return _SILENT
        span_ns = one["last_data_ns"] - one["first_data_ns"]
        unique = one["unique"]
        return DirectionMetrics(
            packets_count=one["packets"],
            payload_bytes=one["payload"],
            data_packets_count=one["data_packets"],
            unique_bytes=unique,
            retransmitted_bytes=one["payload"] - unique,
            retransmitted_count=one["retransmitted_count"],
            out_of_order_count=one["out_of_order"],
            missed_bytes=max(0, int(self._sequence_spans[direction]) - unique),
            pure_ack_count=one["pure_acks"],
            duplicate_ack_count=one["duplicate_acks"],
            sack_count=one["sacks"],
            zero_window_count=one["zero_windows"],
            zero_window_ns=one["zero_window_ns"],
            window_max_bytes=one["window_max"],
            window_min_bytes=_known(one["window_min"]),
            window_scale=_known(one["scale"]),
            mss_bytes=_known(one["mss"]),
            segment_max_bytes=one["segment_max"],
            segment_min_bytes=_known(one["segment_min"]),
            initial_window_bytes=one["initial_window"],
            flight_max_bytes=one["flight_max"],
            syn_count=one["syns"],
            fin_count=one["fins"],
            rst_count=one["rsts"],
            push_count=one["pushes"],
            urgent_count=one["urgents"],
            ecn_ce_count=one["ce_marks"],
            ece_count=one["eces"],
            cut_count=one["cuts"],
            first_ns=one["first_ns"],
            last_ns=one["last_ns"],
            first_data_ns=_known(one["first_data_ns"]),
            last_data_ns=_known(one["last_data_ns"]),
            idle_max_ns=one["idle_max_ns"],
            throughput_bps=_rate(unique, span_ns),
            rtt_timestamps=self._times(
                2 * direction + BY_STAMPS, one["stamp_samples"], one["stamp_min_ns"]
            ),
            rtt_acks=self._times(2 * direction + BY_ACKS, one["ack_samples"], one["ack_min_ns"]),
            mapping_count=one["mappings"],
            mapped_bytes=one["mapped"],
            duplicate_mapped_bytes=one["duplicate_mapped"],
            reinjected_bytes=one["reinjected"],
            infinite_mapping_count=one["infinite"],
            dss_checksum_ok_count=one["checksums_ok"],
            dss_checksum_bad_count=one["checksums_bad"],
            dss_checksum_unknown_count=one["checksums"]
            - one["checksums_ok"]
            - one["checksums_bad"],
            data_ack_count=one["data_acks"],
            data_share=one["fresh"] / total_bytes if one["mappings"] and total_bytes else None,
        )

    def _times(self, histogram: int, count: int, min_ns: int) -> RoundTrips:
        if not count:
            return _NO_TIMES
        median, p95 = int(self._median_ns[histogram]), int(self._p95_ns[histogram])
        return RoundTrips(
            count=count, min_ns=min_ns, median_ns=max(median, min_ns), p95_ns=max(p95, min_ns)
        )

    def _data(self, connection: Connection, *, client: bool) -> DataMetrics:
        """Return one direction of a connection's data.

        Joined subflows count in the numbers of the initial one; where their connection became
        known too late for that, each has numbers of its own, and these are added.
        """
        sent = {
            self._one(own)["counted_in"]: None
            for subflow in connection.subflows
            for own in (2 * subflow.flow + (self._client_end(subflow) ^ int(not client)),)
        }
        parts = [part for one in sent if (part := self._data_of(one)).data_bytes]
        if not parts and connection.kind is not Kind.MPTCP:
            first = connection.subflows[0]
            return self._stream(2 * first.flow + (self._client_end(first) ^ int(not client)))
        if len(parts) == 1:
            return parts[0]
        if not parts:
            return _NO_DATA
        first_ns = min(part.first_ns for part in parts if part.first_ns is not None)
        last_ns = max(part.last_ns for part in parts if part.last_ns is not None)
        total = sum(part.data_bytes for part in parts)
        return DataMetrics(
            data_bytes=total,
            duplicate_bytes=sum(part.duplicate_bytes for part in parts),
            reinjected_bytes=sum(part.reinjected_bytes for part in parts),
            missing_bytes=sum(part.missing_bytes for part in parts),
            out_of_order_count=sum(part.out_of_order_count for part in parts),
            gap_count=sum(part.gap_count for part in parts),
            reorder_max_bytes=max(part.reorder_max_bytes for part in parts),
            head_of_line_ns=sum(part.head_of_line_ns for part in parts),
            head_of_line_max_ns=max(part.head_of_line_max_ns for part in parts),
            first_ns=first_ns,
            last_ns=last_ns,
            goodput_bps=_rate(total, last_ns - first_ns),
        )

    def _data_of(self, direction: int) -> DataMetrics:
        one = self._one(direction)
        total = one["data_bytes"]
        if not total:
            return _NO_DATA
        return DataMetrics(
            data_bytes=total,
            duplicate_bytes=one["data_duplicate"],
            reinjected_bytes=one["data_reinjected"],
            missing_bytes=max(0, int(self._data_spans[direction]) - total),
            out_of_order_count=one["data_out_of_order"],
            gap_count=one["data_gaps"],
            reorder_max_bytes=one["reorder_max"],
            head_of_line_ns=one["head_of_line_ns"],
            head_of_line_max_ns=one["head_of_line_max_ns"],
            first_ns=one["data_first_ns"],
            last_ns=one["data_last_ns"],
            goodput_bps=_rate(total, one["data_last_ns"] - one["data_first_ns"]),
        )

    def _stream(self, direction: int) -> DataMetrics:
        """Return plain TCP's data: its sequence numbers say what is new."""
        one = self._one(direction)
        total = one["unique"]
        if not total:
            return _NO_DATA
        return DataMetrics(
            data_bytes=total,
            duplicate_bytes=one["payload"] - total,
            missing_bytes=max(0, int(self._sequence_spans[direction]) - total),
            out_of_order_count=one["out_of_order"],
            first_ns=one["first_data_ns"],
            last_ns=one["last_data_ns"],
            goodput_bps=_rate(total, one["last_data_ns"] - one["first_data_ns"]),
        )


_SILENT: Final = DirectionMetrics()
_NO_TIMES: Final = RoundTrips()
_NO_DATA: Final = DataMetrics()


def round_trips(cells: Column, count: int) -> tuple[Column, Column]:
    """Return median and 95th percentile of every histogram, nanoseconds.

    Args:
        cells: The hash table of `round_trip_kernel`.
        count: How many histograms there may be.

    Returns:
        One per histogram: the middles of the cells that hold them; 0 for one without a sample.
    """
    found = (np.zeros(count, np.int64), np.zeros(count, np.int64))
    used = cells[cells[:, 0] != UNKNOWN]
    used = used[np.argsort(used[:, 0])]
    if not len(used):
        return found
    owners, starts = np.unique(used[:, 0] >> CELL_BITS, return_index=True)
    sums = np.cumsum(used[:, 1])
    ends = np.append(starts[1:], len(used)) - 1
    before = np.where(starts > 0, sums[starts - 1], 0)
    totals = sums[ends] - before
    for column, (numerator, denominator) in zip(found, ((1, 2), (19, 20)), strict=True):
        # the first cell up to which this part of the samples is counted
        wanted = before + -(-totals * numerator // denominator)
        column[owners] = _middle(used[np.searchsorted(sums, wanted), 0])
    return found


def _middle(keys: Column) -> Column:
    """Return the middle of each cell: `count_sample` says what it holds."""
    cell = keys & ((1 << CELL_BITS) - 1)
    # In all exponents but the first the leading bit is in the cell: 64 to 127.
    exponent = np.maximum((cell >> SUB_BITS) - 1, 0)
    mantissa = cell - (exponent << SUB_BITS)
    middle: Column = (mantissa << exponent) + (1 << exponent) // 2
    return middle


def _rate(size_bytes: int, span_ns: int) -> float | None:
    """Return bits per second; none where there is no time between."""
    return size_bytes * 8 * NANOSECONDS / span_ns if span_ns > 0 else None


def _known(number: int) -> int | None:
    return None if number == UNKNOWN else number
