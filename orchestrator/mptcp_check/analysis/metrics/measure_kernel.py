"""One pass over the segments of a batch, compiled: all that is counted per direction."""

from typing import Any, Final, NamedTuple

import numpy as np

from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.capture.kernels import int64, kernel
from mptcp_check.analysis.capture.option_tables import (
    CUT,
    DSS_ACK,
    DSS_ACK_64,
    DSS_CHECKSUM_READ,
    DSS_DSN_64,
    DSS_MAPPING,
    FINE,
    DssTable,
)
from mptcp_check.analysis.capture.packets import TCP_HEADER_BYTES, DssFlag, Flag
from mptcp_check.analysis.metrics.checksum_kernel import add_payload
from mptcp_check.analysis.metrics.header_kernel import SYN, read_sack, read_syn, see_window
from mptcp_check.analysis.metrics.interval_kernel import add
from mptcp_check.analysis.metrics.mapping_kernel import (
    signed_32,
    take_data_ack,
    take_mapping,
)
from mptcp_check.analysis.metrics.round_trip_kernel import (
    acknowledged,
    count_sample,
    echoed,
    resent,
    sent,
    stamped,
)
from mptcp_check.analysis.metrics.state_tables import (
    BY_ACKS,
    BY_STAMPS,
    CELLS_USED,
    FREE,
    ROOM_WORDS,
    SEQUENCE,
    SETS,
    UNKNOWN,
    YOUNG_USED,
    Memory,
)

FIN: Final = int(Flag.FIN)
RST: Final = int(Flag.RST)
PSH: Final = int(Flag.PSH)
ACK: Final = int(Flag.ACK)
URG: Final = int(Flag.URG)
ECE: Final = int(Flag.ECE)
DATA_FIN: Final = int(DssFlag.DATA_FIN)

TRIPLE: Final = 3
"""Duplicate ACKs that start a fast retransmit: RFC 5681, section 3.2."""
KIND_SACK: Final = 1 << 5
KIND_TIMESTAMPS: Final = 1 << 8
KIND_MPTCP: Final = 1 << 30
CONGESTION_EXPERIENCED: Final = 3
"""ECN field of the IP header: RFC 3168, section 5."""

BASE_SYN_DATA: Final = 1
"""A SYN takes one number: its payload (RFC 7413) begins after that."""


class Segments(NamedTuple):
    """The columns of `packets.Packets` that are measured."""

    time_ns: Column
    tos: Column
    seq: Column
    ack: Column
    flags: Column
    window: Column
    urgent: Column
    tcp_offset: Column
    options_bytes: Column
    payload_offset: Column
    payload_bytes: Column
    captured_bytes: Column
    option_kinds: Column
    ts_value: Column
    ts_echo: Column


@kernel
def first_options(carriers: Any, count: int, firsts: Any) -> None:  # noqa: ANN401 - a kernel
    """Fill in where the options of each segment begin in a table that is sorted by segment."""
    option = 0
    for row in range(len(firsts)):
        while option < count and carriers[option] < row:
            option += 1
        firsts[row] = option


@kernel
def capable_of(capable: Any, row: int) -> Any:  # noqa: ANN401 - a kernel
    """Return the position of the first of the sorted mappings of `row` or a later segment."""
    below, above = 0, len(capable)
    while below < above:
        middle = (below + above) // 2
        if capable[middle, 0] < row:
            below = middle + 1
        else:
            above = middle
    return below


@kernel
def measure(  # noqa: C901, PLR0912, PLR0913, PLR0915, PLR0917 - one pass over all there is
    buffer: Any,  # noqa: ANN401 - see `kernels.readable`
    segments: Segments,
    dss: DssTable,
    dss_count: int,
    firsts: Any,  # noqa: ANN401 - a kernel
    capable: Any,  # noqa: ANN401 - a kernel
    order: Any,  # noqa: ANN401 - a kernel
    place: int,
    flow_of: Any,  # noqa: ANN401 - a kernel
    end_of: Any,  # noqa: ANN401 - a kernel
    memory: Memory,
) -> int:
    """Measure the segments of a batch.

    Args:
        buffer: The capture.
        segments: The batch.
        dss: Its DSS options.
        dss_count: How many of them there are.
        firsts: Where each segment's DSS options begin; see `first_options`.
        capable: int64, shape (any, 5): mappings of MP_CAPABLE options, sorted: row of the segment,
            both halves of the DSN, length, checksum or `UNKNOWN`.
        order: Rows in the order of time.
        place: The place in `order` to start at.
        flow_of: The connection of each segment.
        end_of: The end that sent it.
        memory: What is known; updated.

    Returns:
        The place it stopped at: all of them, or an earlier one when some table needs room.
    """
    directions, sets, arena, blocks = memory.directions, memory.sets, memory.arena, memory.blocks
    cells, young, old, counters = memory.cells, memory.young, memory.old, memory.counters
    room = len(arena) - ROOM_WORDS
    most_cells, most_mappings = len(cells) // 2, len(young) // 4
    while place < len(order):
        if (
            blocks[FREE] > room
            or counters[CELLS_USED] > most_cells
            or counters[YOUNG_USED] > most_mappings
        ):
            return place
        row = order[place]
        place += 1
        direction = 2 * flow_of[row] + end_of[row]
        one, other = directions[direction], directions[direction ^ 1]
        now = segments.time_ns[row]
        flags = int64(segments.flags[row])
        seq = int64(segments.seq[row])
        payload = int64(segments.payload_bytes[row])
        kinds = int64(segments.option_kinds[row])

        # times and counts
        if one.packets == 0:
            one.first_ns = now
        elif now - one.last_ns > one.idle_max_ns:
            one.idle_max_ns = now - one.last_ns
        one.last_ns = now
        one.packets += 1
        if segments.tos[row] & 3 == CONGESTION_EXPERIENCED:
            one.ce_marks += 1
        if segments.captured_bytes[row] < payload:
            one.cuts += 1
            one.cut_bytes += payload - segments.captured_bytes[row]
        if kinds & KIND_SACK:
            one.sacks += 1
            at = segments.tcp_offset[row] + TCP_HEADER_BYTES
            end = at + segments.options_bytes[row]
            read_sack(buffer, at, end, int64(segments.ack[row]), one)
        if flags & PSH:
            one.pushes += 1
        if flags & (FIN | SYN | RST | URG | ECE):
            one.fins += flags & FIN
            one.rsts += (flags & RST) // RST
            if flags & URG:
                one.urgents += 1
                one.urgent_bytes += segments.urgent[row]
            if flags & SYN:
                one.syns += 1
                if one.syn_ns == UNKNOWN:
                    one.syn_ns = now
                    at = segments.tcp_offset[row] + TCP_HEADER_BYTES
                    read_syn(buffer, at, at + segments.options_bytes[row], one)
            elif flags & ECE:
                one.eces += 1

        # sequence numbers
        if flags & SYN:
            seq += BASE_SYN_DATA
        own_set = SETS * direction + SEQUENCE
        if one.origin == UNKNOWN and not flags & RST:
            one.origin = seq & 0xFFFF_FFFF
        reference = sets[own_set].high
        start = reference + signed_32(seq - one.origin - (reference & 0xFFFF_FFFF))

        # acknowledgement and round trips of the other direction
        if flags & ACK:
            one.acks += 1
        if flags & ACK and not flags & RST:
            ack = int64(segments.ack[row])
            window = int64(segments.window[row])
            if other.syn_acked_ns == UNKNOWN and other.syns == 1 and ack == other.origin:
                other.syn_acked_ns = now
            if other.origin != UNKNOWN:
                acked = other.acked + signed_32(ack - other.origin - (other.acked & 0xFFFF_FFFF))
                if acked > other.acked:
                    if acked <= sets[SETS * (direction ^ 1)].high:
                        took = acknowledged(other, arena, blocks, acked, now)
                        if took != UNKNOWN:
                            other.ack_samples += 1
                            other.ack_sum_ns += took
                            other.ack_max_ns = max(other.ack_max_ns, took)
                            if other.ack_min_ns == UNKNOWN or took < other.ack_min_ns:
                                other.ack_min_ns = took
                            count_sample(
                                cells, counters, 2 * (direction ^ 1) + BY_ACKS, max(took, 0)
                            )
                    other.acked = acked
                    one.acks_in_a_row = 0
                elif (
                    payload == 0
                    and not flags & (SYN | FIN)
                    and ack == one.last_ack
                    and window == one.last_window
                    and sets[SETS * (direction ^ 1)].high > acked
                ):
                    one.duplicate_acks += 1
                    one.acks_in_a_row += 1
                    if one.acks_in_a_row == TRIPLE:
                        one.triple_acks += 1
            one.last_ack = ack
            one.last_window = window
            if payload == 0 and not flags & (SYN | FIN):
                one.pure_acks += 1
        if kinds & KIND_TIMESTAMPS and not flags & RST:
            if flags & ACK:
                took = echoed(other, arena, blocks, int64(segments.ts_echo[row]), now)
                if took >= 0:
                    other.stamp_samples += 1
                    other.stamp_sum_ns += took
                    other.stamp_max_ns = max(other.stamp_max_ns, took)
                    if other.stamp_min_ns == UNKNOWN or took < other.stamp_min_ns:
                        other.stamp_min_ns = took
                    count_sample(cells, counters, 2 * (direction ^ 1) + BY_STAMPS, took)
            answered = payload > 0 or flags & (SYN | FIN) > 0
            stamped(one, arena, blocks, int64(segments.ts_value[row]), now, answered)
        if not flags & RST:
            see_window(one, other, int64(segments.window[row]), flags, now)

        # mappings come before the payload that they cover
        if kinds & KIND_MPTCP:
            one.options += 1
            option = firsts[row]
            while option < dss_count and dss.packet[option] == row:
                parts = int64(dss.parts[option])
                if parts & DSS_ACK:
                    one.data_acks += 1
                    data_ack = dss.data_ack[option]
                    take_data_ack(
                        directions,
                        direction ^ 1,
                        sets,
                        int64(data_ack >> np.uint64(32))
                        if int64(dss.flags[option]) & DSS_ACK_64
                        else UNKNOWN,
                        int64(data_ack & np.uint64(0xFFFF_FFFF)),
                    )
                if parts & DSS_MAPPING and dss.problem[option] in (FINE, CUT):
                    wire = int64(dss.flags[option])
                    fin = (wire & DATA_FIN) // DATA_FIN
                    one.data_fins += fin
                    length = int64(dss.data_length[option])
                    if length == 0:
                        one.infinite += 1
                    else:
                        dsn = dss.dsn[option]
                        take_mapping(
                            directions,
                            direction,
                            sets,
                            arena,
                            blocks,
                            young,
                            old,
                            counters,
                            int64(dsn >> np.uint64(32)) if wire & DSS_DSN_64 else UNKNOWN,
                            int64(dsn & np.uint64(0xFFFF_FFFF)),
                            int64(dss.ssn[option]),
                            length,
                            fin,
                            int64(dss.checksum[option]) if parts & DSS_CHECKSUM_READ else UNKNOWN,
                            now,
                        )
                option += 1
            if len(capable) and payload:
                first = capable_of(capable, row)
                if first < len(capable) and capable[first, 0] == row:
                    take_mapping(
                        directions,
                        direction,
                        sets,
                        arena,
                        blocks,
                        young,
                        old,
                        counters,
                        capable[first, 1],
                        capable[first, 2],
                        1,
                        capable[first, 3],
                        0,
                        capable[first, 4],
                        now,
                    )

        if payload == 0:
            continue
        one.payload += payload
        one.data_packets += 1
        if other.last_window == 0:
            one.zero_probes += 1
            one.zero_probe_bytes += payload
        one.segment_max = max(one.segment_max, payload)
        if one.segment_min == UNKNOWN or payload < one.segment_min:
            one.segment_min = payload
        if one.first_data_ns == UNKNOWN:
            one.first_data_ns = now
        one.last_data_ns = now
        if flags & RST or one.origin == UNKNOWN:
            continue
        end = start + payload
        empty = sets[own_set].low == reference
        fresh, _, _ = add(sets, own_set, arena, blocks, start, end, now)
        one.unique += fresh
        if fresh < payload:
            one.retransmitted_count += 1
        if not empty and fresh > 0 and start < reference:
            one.out_of_order += 1
        if empty or (start >= reference and fresh == payload):
            sent(one, arena, blocks, end, now)
        else:
            resent(one, start, end)
        if one.acked <= 0 and fresh > 0:
            one.initial_window = one.unique
            one.initial_segments += 1
        one.flight_max = max(one.flight_max, sets[own_set].high - max(one.acked, 0))
        whole = fresh == payload and segments.captured_bytes[row] >= payload
        if whole and one.pending_count > 0:
            add_payload(one, arena, blocks, buffer, segments.payload_offset[row], start, end)
    return place
