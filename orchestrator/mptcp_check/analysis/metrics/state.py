"""What is known of all directions, and how it grows: the Python side of `measure_kernel`."""

from typing import Final

import numpy as np

from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.capture.kernels import readable, records
from mptcp_check.analysis.capture.option_tables import DssTable
from mptcp_check.analysis.capture.packets import Packets
from mptcp_check.analysis.metrics.measure_kernel import Segments, first_options, measure
from mptcp_check.analysis.metrics.round_trip_kernel import move_cells
from mptcp_check.analysis.metrics.state_tables import (
    ARENA_WORDS,
    BLOCK_WORDS,
    CELL_SLOTS,
    CELLS_USED,
    CLASSES,
    DIRECTION_RECORD,
    FORGOTTEN,
    FREE,
    LARGEST_CLASS,
    MAPPING_SLOTS,
    MAPPINGS_FORGOTTEN,
    RESULT_RECORD,
    ROOM_WORDS,
    SET_RECORD,
    SETS,
    UNKNOWN,
    YOUNG_USED,
    Memory,
    fresh,
)

FIRST_DIRECTIONS: Final = 256

RELEASED_ROWS: Final = 1 << 12
"""How many records are made shorter at once."""

_NEW: Final = fresh(DIRECTION_RECORD)
_EMPTY: Final = np.array([(0, 0, 0, UNKNOWN, 0, 0)], dtype=SET_RECORD)


class State:
    """Measures batches of segments, one after the other."""

    def __init__(self) -> None:
        self.directions = np.empty(FIRST_DIRECTIONS, DIRECTION_RECORD)
        """Records of `state_tables.DIRECTION_RECORD`, of `RESULT_RECORD` after `release`; rows
        beyond ``2 * flows`` hold nothing."""
        self._flows = 0
        self._sets = np.empty(SETS * FIRST_DIRECTIONS, SET_RECORD)
        self._arena = np.empty(ARENA_WORDS, np.int64)
        self._blocks = np.full(CLASSES + 1, UNKNOWN, np.int64)
        self._blocks[FREE] = 0
        self.cells = np.full((CELL_SLOTS, 2), UNKNOWN, np.int64)
        """Histogram cells of all directions: see `state_tables.Memory`."""
        self._young = np.full((MAPPING_SLOTS, 2), UNKNOWN, np.int64)
        self._old = np.full((1, 2), UNKNOWN, np.int64)
        self._counters = np.zeros(3, np.int64)
        self._firsts = np.empty(0, np.int64)

    def add_flows(self, count: int) -> None:
        """Make room for TCP connections up to a count, and write what new ones start with."""
        rows = 2 * count
        if rows > len(self.directions):
            room = max(rows, len(self.directions) * 17 // 16)
            # In place, as the system only moves pages for it: a copy would take twice the memory.
            self.directions.resize(room, refcheck=False)
            self._sets.resize(SETS * room, refcheck=False)
        new = slice(2 * self._flows, rows)
        self.directions[new] = _NEW
        self.directions["counted_in"][new] = np.arange(2 * self._flows, rows)
        sets = slice(SETS * 2 * self._flows, SETS * rows)
        self._sets[sets] = _EMPTY
        self._flows = count

    def join(self, direction: int, data: int) -> None:
        """Let a direction's data count in the numbers of another one's: an MP_JOIN."""
        self.directions["counted_in"][direction] = data

    def release(self) -> Column:
        """Forget all but the results, as nothing is measured after this; return `cells`."""
        cells, self.cells = self.cells, np.full((1, 2), UNKNOWN, np.int64)
        for table in (self._sets, self._arena, self._young, self._old, self._firsts):
            table.resize(0, refcheck=False)
        self._shorten()
        return cells

    def _shorten(self) -> None:
        """Leave of `directions` what `RESULT_RECORD` begins with, in place."""
        rows, long, short = 2 * self._flows, DIRECTION_RECORD.itemsize, RESULT_RECORD.itemsize
        octets = self.directions.view(np.uint8)
        whole = octets.reshape(-1, long)
        kept = octets[: rows * short].reshape(rows, short)
        for first in range(0, rows, RELEASED_ROWS):
            some = slice(first, min(first + RELEASED_ROWS, rows))
            kept[some] = whole[some, :short]
        del octets, whole, kept
        self.directions.resize(-(-rows * short // long), refcheck=False)
        self.directions = self.directions.view(np.uint8)[: rows * short].view(RESULT_RECORD)

    def spans(self, which: int) -> Column:
        """Return for each direction how far one of its sets reaches, from first to last byte."""
        sets = self._sets[which : SETS * 2 * self._flows : SETS]
        spans: Column = sets["high"] - sets["low"]
        listed = np.flatnonzero(sets["count"])
        first = self._arena[sets["list"][listed].astype(np.int64) * BLOCK_WORDS]
        spans[listed] = sets["high"][listed] - first
        return spans

    def forgotten(self, which: int) -> Column:
        """Return for each direction the bytes of the holes that one of its sets has forgotten."""
        sets = self._sets[which : SETS * 2 * self._flows : SETS]
        full = np.flatnonzero((sets["list"] != UNKNOWN) & (sets["class_"] == LARGEST_CLASS))
        if not len(full):  # as nearly always: that takes no room
            return np.broadcast_to(np.zeros(1, np.int64), len(sets))
        bytes_ = np.zeros(len(sets), np.int64)
        at = sets["list"][full].astype(np.int64) * BLOCK_WORDS
        bytes_[full] = self._arena[at + FORGOTTEN]
        return bytes_

    def measure(
        self, packets: Packets, order: Column, flow_of: Column, end_of: Column, capable: Column
    ) -> None:
        """Measure a batch.

        Args:
            packets: Its segments.
            order: Their rows in the order of time.
            flow_of: The connection of each segment; `add_flows` knows of all of them.
            end_of: The end that sent it.
            capable: Mappings of MP_CAPABLE options: see `measure_kernel.measure`.
        """
        if len(self._firsts) < len(packets):
            self._firsts = np.empty(len(packets), np.int64)
        firsts = self._firsts[: len(packets)]
        dss = DssTable(*(getattr(packets.dss, name) for name in DssTable._fields))
        first_options(dss.packet, len(dss.packet), firsts)
        segments = Segments(*(getattr(packets, name) for name in Segments._fields))
        place = 0
        while True:
            place = int(
                measure(
                    readable(packets.buffer),
                    segments,
                    dss,
                    len(dss.packet),
                    firsts,
                    capable,
                    order,
                    place,
                    flow_of,
                    end_of,
                    self._memory(),
                )
            )
            if place == len(order):
                return
            self._make_room()

    def _memory(self) -> Memory:
        return Memory(
            directions=records(self.directions),
            sets=records(self._sets),
            arena=self._arena,
            blocks=self._blocks,
            cells=self.cells,
            young=self._young,
            old=self._old,
            counters=self._counters,
        )

    def _make_room(self) -> None:
        """Give whichever table is full more room; mappings start a new generation."""
        if self._blocks[FREE] > len(self._arena) - ROOM_WORDS:
            more = max(len(self._arena) // 4, 2 * ROOM_WORDS)
            self._arena.resize(len(self._arena) + more, refcheck=False)
        if 2 * self._counters[CELLS_USED] > len(self.cells):
            larger = np.full((2 * len(self.cells), 2), UNKNOWN, np.int64)
            move_cells(self.cells, larger)
            self.cells = larger
        if 4 * self._counters[YOUNG_USED] > len(self._young):
            self._counters[MAPPINGS_FORGOTTEN] += int((self._old[:, 0] != UNKNOWN).sum())
            self._old = self._young
            self._young = np.full((MAPPING_SLOTS, 2), UNKNOWN, np.int64)
            self._counters[YOUNG_USED] = 0
