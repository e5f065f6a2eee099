"""Directions of TCP connections as people read them: a column for each number."""

from typing import Final

import numpy as np
import numpy.typing as npt

from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.metrics.readout import Readout
from mptcp_check.analysis.metrics.result_cells import known, means, rates
from mptcp_check.analysis.metrics.state_tables import (
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
from mptcp_check.analysis.tables.table import Table, numbers

_SILENT: Final = fresh(RESULT_RECORD)
"""What is said of an end that sent nothing."""


def direction_table(readout: Readout, directions: Column, total_bytes: Column) -> Table:
    """Return what was measured on directions.

    Args:
        readout: All that was measured.
        directions: Which ones.
        total_bytes: Data of the connection in this direction.
    """
    one = readout.directions[directions]
    sent = one["packets"] > 0
    one[~sent] = _SILENT
    unique, mappings = one["unique"], one["mappings"]
    checked = one["checksums_ok"] + one["checksums_bad"]
    shared = (mappings > 0) & (total_bytes > 0)
    span_ns = one["last_data_ns"] - one["first_data_ns"]
    missed = readout.spans[SEQUENCE][directions] - unique
    return {
        "packets_count": numbers(one["packets"]),
        "payload_bytes": numbers(one["payload"]),
        "data_packets_count": numbers(one["data_packets"]),
        "unique_bytes": numbers(unique),
        "retransmitted_bytes": numbers(one["payload"] - unique),
        "retransmitted_count": numbers(one["retransmitted_count"]),
        "out_of_order_count": numbers(one["out_of_order"]),
        "missed_bytes": numbers(np.where(sent, np.maximum(missed, 0), 0)),
        "forgotten_hole_bytes": numbers(readout.forgotten[SEQUENCE][directions]),
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
        **_times("rtt_timestamps", readout, 2 * directions + BY_STAMPS, one, "stamp"),
        **_times("rtt_acks", readout, 2 * directions + BY_ACKS, one, "ack"),
        "mapping_count": numbers(mappings),
        "doubtful_mapping_count": numbers(one["mappings_in_doubt"]),
        "mapped_bytes": numbers(one["mapped"]),
        "duplicate_mapped_bytes": numbers(one["duplicate_mapped"]),
        "reinjected_bytes": numbers(one["reinjected"]),
        "forgotten_mapped_bytes": numbers(readout.forgotten[OWN_DATA][directions]),
        "infinite_mapping_count": numbers(one["infinite"]),
        "dss_checksum_ok_count": numbers(one["checksums_ok"]),
        "dss_checksum_bad_count": numbers(one["checksums_bad"]),
        "dss_checksum_unknown_count": numbers(one["checksums"] - checked),
        "data_ack_count": numbers(one["data_acks"]),
        "data_share": numbers(one["fresh"] / np.maximum(total_bytes, 1), shared),
    }


def _times(
    name: str, readout: Readout, histograms: Column, one: npt.NDArray[np.void], kind: str
) -> Table:
    count, least = one[f"{kind}_samples"], one[f"{kind}_min_ns"]
    any_ = count > 0
    return {
        f"{name}_count": numbers(count),
        f"{name}_min_ns": numbers(least, any_),
        f"{name}_median_ns": numbers(np.maximum(readout.median_ns[histograms], least), any_),
        f"{name}_p95_ns": numbers(np.maximum(readout.p95_ns[histograms], least), any_),
        f"{name}_max_ns": numbers(one[f"{kind}_max_ns"], any_),
        f"{name}_mean_ns": means(one[f"{kind}_sum_ns"], count),
        f"{name}_stddev_ns": numbers(readout.stddev_ns[histograms], any_),
    }
