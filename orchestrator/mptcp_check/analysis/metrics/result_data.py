"""Data of connections as people read it: what both directions of all their subflows brought."""

from typing import Final

import numpy as np
import numpy.typing as npt

from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.metrics.readout import Readout
from mptcp_check.analysis.metrics.result_cells import rates
from mptcp_check.analysis.metrics.state_tables import ALL_DATA, SEQUENCE
from mptcp_check.analysis.tables.table import Table, numbers

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


def data_table(
    readout: Readout,
    directions: Column,
    owner: Column,
    starts: Column,
    *,
    speaks_mptcp: npt.NDArray[np.bool_],
) -> Table:
    """Return one direction of connections' data.

    Joined subflows count in the numbers of the initial one; where their connection became
    known too late for that, each has numbers of its own, and these are added.  Of plain TCP
    the sequence numbers say what is new.

    Args:
        readout: All that was measured.
        directions: That of each subflow.
        owner: The connection of each subflow, ascending.
        starts: Where each connection's subflows begin, and where the last one's end.
        speaks_mptcp: Whether each connection does.
    """
    fields = readout.directions
    counted = fields["counted_in"][directions].astype(np.int64)
    # Each place where data was counted is one part of its connection.
    parts = np.unique(np.stack([owner, counted]), axis=1)
    parts = parts[:, fields["data_bytes"][parts[1]] > 0]
    found = _sums(fields, parts[0], parts[1], readout.spans[ALL_DATA], len(starts) - 1)
    np.add.at(found["forgotten_hole_bytes"], parts[0], readout.forgotten[ALL_DATA][parts[1]])
    plain = np.flatnonzero((found["data_bytes"] == 0) & ~speaks_mptcp)
    streams = directions[starts[plain]]
    one = fields[streams]
    unique = one["unique"]
    some = unique > 0
    plain, streams, one, unique = plain[some], streams[some], one[some], unique[some]
    found["data_bytes"][plain] = unique
    found["duplicate_bytes"][plain] = one["payload"] - unique
    found["forgotten_hole_bytes"][plain] = readout.forgotten[SEQUENCE][streams]
    found["missing_bytes"][plain] = np.maximum(readout.spans[SEQUENCE][streams] - unique, 0)
    found["out_of_order_count"][plain] = one["out_of_order"]
    found["first_ns"][plain] = one["first_data_ns"]
    found["last_ns"][plain] = one["last_data_ns"]
    any_ = found["data_bytes"] > 0
    table = {name: numbers(column) for name, column in found.items()}
    for name in ("first_ns", "last_ns"):
        table[name] = numbers(found[name], any_)
    span_ns = np.where(any_, found["last_ns"] - found["first_ns"], 0)
    return {**table, "goodput_bps": rates(found["data_bytes"], span_ns)}


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
