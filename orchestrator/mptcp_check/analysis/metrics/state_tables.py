"""What is remembered between batches, as kernels take it: numbers per direction, lists, cells.

A direction is one end of one TCP connection: row ``2 * flow + end`` of each table.  Whatever has
no fixed size (intervals, segments in flight, checksums that wait for their data) lies in blocks of
an arena, whose sizes are powers of two; whoever needs more takes a larger block and gives the
smaller one back.  No list grows beyond its largest block, so that no file, whatever is in it,
takes more than a bounded amount of memory and of time per segment.
"""

from collections.abc import Iterable
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
        *("cuts", "packets", "mss"),
        *("last_window", "stamp_samples", "ack_samples", "counted_in", "options", "data_fins"),
        *("data_acks", "mappings", "infinite", "checksums", "checksums_ok", "checksums_bad"),
        *("pending_count", "data_out_of_order", "data_gaps", "acks", "triple_acks", "dsacks"),
        *("zero_probes", "windows", "initial_segments"),
        *("window_max", "window_min", "segment_max", "segment_min"),
        *("acks_in_a_row", "mappings_in_doubt"),
    }
)
"""Those of 32 bits."""

SMALLEST_FIELDS: Final = frozenset(
    {
        *("scale", "offers", "sack_blocks_max"),
        *("flight_class", "flight_first", "flight_count"),
        *("stamps_class", "stamps_first", "stamps_count"),
    }
)
"""Those of 16 bits: a block of the largest class has fewer elements; the others have 64."""

WORKING_FIELDS: Final = frozenset(
    {
        *("origin", "acked", "last_ack", "last_window", "acks_in_a_row", "zero_since_ns"),
        *("last_stamp", "stamps", "stamps_class", "stamps_first", "stamps_count"),
        *("flight", "flight_class", "flight_first", "flight_count", "resent_low", "resent_high"),
        *("last_place", "last_content", "pending", "pending_count", "dsn_high", "dsn_low"),
    }
)
"""Those that say nothing any more when all is measured."""


def _width_bytes(field: str) -> int:
    return 2 if field in SMALLEST_FIELDS else 4 if field in SMALL_FIELDS else 8


def _record(fields: Iterable[str]) -> np.dtype[np.void]:
    """Return a record without holes but before the working fields, which come last."""
    order = sorted(fields, key=lambda name: (name in WORKING_FIELDS, -_width_bytes(name)))
    return np.dtype([(name, f"i{_width_bytes(name)}") for name in order], align=True)


DIRECTION_RECORD: Final = _record(DIRECTION_FIELDS)
RESULT_RECORD: Final = _record(name for name in DIRECTION_FIELDS if name not in WORKING_FIELDS)
"""The beginning of a `DIRECTION_RECORD`: what is read out in the end."""


def fresh(record: np.dtype[np.void]) -> npt.NDArray[np.void]:
    """Return one record of those fields as a direction starts with it."""
    names = record.names or ()
    return np.array([tuple(DIRECTION_FIELDS[name] for name in names)], dtype=record)


OFFERS_STAMPS: Final = 1
OFFERS_SACK: Final = 2

SEQUENCE, OWN_DATA, ALL_DATA = range(3)
"""The interval sets of a direction: row ``3 * direction + which`` of the table of sets."""
SETS: Final = 3

SET_RECORD: Final = np.dtype(
    [
        ("low", np.int64),  # the highest interval; there is none while both are the same
        ("high", np.int64),
        ("since_ns", np.int64),  # when it came
        ("list", np.int32),  # block of the lower ones, counted in `BLOCK_WORDS`, or `UNKNOWN`
        ("count", np.int16),  # how many these are
        ("class_", np.int16),  # of their block
    ]
)
"""What is kept of a set."""

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
    sets: Any
    """Records of `SET_RECORD`."""
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
