"""What is remembered between batches, as kernels take it: numbers per direction, lists, cells.

A direction is one end of one TCP connection: row ``2 * flow + end`` of each table.  Whatever has
no fixed size (intervals, segments in flight, checksums that wait for their data) lies in blocks of
an arena, whose sizes are powers of two; whoever needs more takes a larger block and gives the
smaller one back.  No list grows beyond its largest block, so that no file, whatever is in it,
takes more than a bounded amount of memory and of time per segment.
"""

from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

UNKNOWN: Final = -1

DIRECTION_FIELDS: Final[dict[str, int]] = {
    # counts
    "packets": 0,
    "payload": 0,
    "data_packets": 0,
    "unique": 0,
    "retransmitted_count": 0,
    "out_of_order": 0,
    "acks": 0,
    "pure_acks": 0,
    "duplicate_acks": 0,
    "triple_acks": 0,
    "sacks": 0,
    "dsacks": 0,
    "zero_windows": 0,
    "zero_window_ns": 0,
    "zero_probes": 0,  # segments with payload while the other end announces no window
    "zero_probe_bytes": 0,
    "syns": 0,
    "fins": 0,
    "rsts": 0,
    "pushes": 0,
    "urgents": 0,
    "urgent_bytes": 0,
    "ce_marks": 0,
    "eces": 0,
    "cuts": 0,
    "cut_bytes": 0,
    "windows": 0,  # announced ones, SYNs and RSTs left out
    "window_sum": 0,
    # extremes
    "window_max": 0,
    "window_min": UNKNOWN,
    "segment_max": 0,
    "segment_min": UNKNOWN,
    "sack_blocks_max": 0,
    "initial_window": 0,
    "initial_segments": 0,
    "flight_max": 0,
    "idle_max_ns": 0,
    # the SYN
    "syn_ns": UNKNOWN,
    "syn_acked_ns": UNKNOWN,
    "offers": 0,  # `OFFERS_STAMPS`, `OFFERS_SACK`
    "scale": UNKNOWN,
    "mss": UNKNOWN,
    # times
    "first_ns": 0,
    "last_ns": 0,
    "first_data_ns": UNKNOWN,
    "last_data_ns": UNKNOWN,
    # what is known of the direction right now
    "origin": UNKNOWN,  # sequence number of the first byte of payload
    "acked": 0,  # what the other end has acknowledged, counted from there
    "last_ack": UNKNOWN,
    "last_window": UNKNOWN,
    "acks_in_a_row": 0,  # duplicate ones
    "zero_since_ns": UNKNOWN,
    "last_stamp": UNKNOWN,
    # timestamps whose echo is waited for
    "stamps": UNKNOWN,  # their block
    "stamps_class": 0,
    "stamps_first": 0,
    "stamps_count": 0,
    # segments in flight
    "flight": UNKNOWN,  # their block
    "flight_class": 0,
    "flight_first": 0,
    "flight_count": 0,
    "resent_low": 0,  # what came again or late and is not yet acknowledged lies between these
    "resent_high": 0,
    # round trips
    "stamp_samples": 0,
    "stamp_min_ns": UNKNOWN,
    "stamp_max_ns": UNKNOWN,
    "stamp_sum_ns": 0,
    "ack_samples": 0,
    "ack_min_ns": UNKNOWN,
    "ack_max_ns": UNKNOWN,
    "ack_sum_ns": 0,
    # mappings of this subflow
    "counted_in": UNKNOWN,  # the direction whose data numbers these are: its own, or one joined
    "options": 0,  # kind 30, any
    "data_fins": 0,
    "data_acks": 0,
    "mappings": 0,
    "mappings_in_doubt": 0,  # they may have been counted before
    "mapped": 0,
    "duplicate_mapped": 0,
    "reinjected": 0,
    "fresh": 0,  # data that came first on this subflow
    "infinite": 0,
    "last_place": UNKNOWN,  # the mapping of the segment before
    "last_content": UNKNOWN,
    "checksums": 0,
    "checksums_ok": 0,
    "checksums_bad": 0,
    "pending": UNKNOWN,  # block of the mappings whose checksum waits for data
    "pending_count": 0,
    # data of the connection whose direction this is
    "dsn_high": UNKNOWN,  # the first data sequence number seen
    "dsn_low": UNKNOWN,
    "data_bytes": 0,
    "data_acked": 0,  # how far DATA_ACKs of the other end went, counted from there
    "data_duplicate": 0,
    "data_reinjected": 0,
    "data_out_of_order": 0,
    "data_gaps": 0,
    "reorder_max": 0,
    "head_of_line_ns": 0,
    "head_of_line_max_ns": 0,
    "data_first_ns": UNKNOWN,
    "data_last_ns": UNKNOWN,
}
"""Fields of a direction and what they start with; -1 is nothing yet."""

SMALL_FIELDS: Final = frozenset(
    {
        *("data_packets", "retransmitted_count", "out_of_order", "pure_acks", "duplicate_acks"),
        *("sacks", "zero_windows", "syns", "fins", "rsts", "pushes", "urgents", "ce_marks", "eces"),
        *("cuts", "packets", "scale", "mss", "flight_class", "flight_first", "flight_count"),
        *("last_window", "stamp_samples", "ack_samples", "counted_in", "options", "data_fins"),
        *("data_acks", "mappings", "infinite", "checksums", "checksums_ok", "checksums_bad"),
        *("pending_count", "data_out_of_order", "data_gaps", "acks", "triple_acks", "dsacks"),
        *("zero_probes", "windows", "sack_blocks_max", "initial_segments", "offers"),
        *("window_max", "window_min", "segment_max", "segment_min"),
        *("acks_in_a_row", "stamps_class", "stamps_first", "stamps_count", "mappings_in_doubt"),
    }
)
"""Those of 32 bits; the others have 64."""

DIRECTION_RECORD: Final = np.dtype(
    [(name, np.int32 if name in SMALL_FIELDS else np.int64) for name in DIRECTION_FIELDS],
    align=True,
)

OFFERS_STAMPS: Final = 1
OFFERS_SACK: Final = 2

SEQUENCE, OWN_DATA, ALL_DATA = range(3)
"""The interval sets of a direction: row ``3 * direction + which`` of the table of sets."""
SETS: Final = 3

SET_COLUMNS: Final = 6
SET_LOW, SET_HIGH, SET_SINCE, SET_LIST, SET_COUNT, SET_CLASS = range(SET_COLUMNS)
"""Highest interval of a set and since when it is there; block, fill and class of the lower ones."""

BLOCK_WORDS: Final = 8
"""Elements of a block of class 0; each class has twice as many as the one below."""
CLASSES: Final = 11
LARGEST_CLASS: Final = CLASSES - 1
FREE: Final = CLASSES
"""Place in `Memory.blocks` of the first element that was never used; below it are free lists."""
FORGOTTEN: Final = (BLOCK_WORDS << LARGEST_CLASS) - 1
"""Place in a block of the largest class of the bytes of the holes that its set has forgotten."""
ROOM_WORDS: Final = 8 * (BLOCK_WORDS << LARGEST_CLASS)
"""More than one segment can take."""

CELL_BITS: Final = 12
"""Bits of a histogram's cell in its key; above them is ``2 * direction + which``."""
BY_STAMPS, BY_ACKS = range(2)
"""The histograms of a direction."""


class Memory(NamedTuple):
    """All of it; the arrays are replaced by larger ones when they are full."""

    directions: Any
    """Records of `DIRECTION_RECORD`; see `kernels.records`."""
    sets: npt.NDArray[np.int64]
    arena: npt.NDArray[np.int64]
    blocks: npt.NDArray[np.int64]
    cells: npt.NDArray[np.int64]
    """Shape (power of two, 2): key and count, or `UNKNOWN`: a hash table of histogram cells."""
    young: npt.NDArray[np.int64]
    """Shape (power of two, 2): place and content of mappings, or `UNKNOWN`: a hash table."""
    old: npt.NDArray[np.int64]
    """The generation before `young`: looked up, not added to."""
    counters: npt.NDArray[np.int64]


CELLS_USED, YOUNG_USED, MAPPINGS_FORGOTTEN = range(3)
"""Places in `Memory.counters`."""

ARENA_WORDS: Final = 4 * ROOM_WORDS
CELL_SLOTS: Final = 4096
MAPPING_SLOTS: Final = 1 << 16
"""A mapping that comes again counts once when fewer than a quarter of these came in between."""
