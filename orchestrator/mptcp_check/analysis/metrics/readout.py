"""What is read out of the state of all directions of TCP connections: tables are made of it."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from mptcp_check.analysis.capture.column_types import Column


class Readout(NamedTuple):
    """Columns of all directions: ``2 * flow`` and the other one beside it."""

    directions: npt.NDArray[np.void]
    """The fields of `state_tables.RESULT_RECORD`."""
    spans: Mapping[int, Column]
    """How far each numbering reaches: of `SEQUENCE` and `ALL_DATA`."""
    forgotten: Mapping[int, Column]
    """Bytes of holes that were forgotten: of `SEQUENCE`, `OWN_DATA` and `ALL_DATA`."""
    median_ns: Column
    """Round trips, two histograms per direction: `BY_STAMPS` and `BY_ACKS`; as the next two."""
    p95_ns: Column
    stddev_ns: Column
