"""From tables of connections to values, one at a time."""

from collections.abc import Iterator
from dataclasses import fields
from typing import Any, Final

from mptcp_check.analysis.flows.endpoints import Endpoint
from mptcp_check.analysis.metrics.results import Batch
from mptcp_check.analysis.metrics.values import (
    ConnectionMetrics,
    DataMetrics,
    DirectionMetrics,
    RoundTrips,
    SubflowMetrics,
)
from mptcp_check.analysis.tables.table import Table, rows_of

ROUND_TRIPS: Final = ("rtt_timestamps", "rtt_acks")
TIMES: Final = tuple(field.name for field in fields(RoundTrips))


def values_of(batch: Batch) -> Iterator[ConnectionMetrics]:
    """Yield the connections of a batch."""
    subflows = zip(
        rows_of(batch.subflows, dict),
        *(_directions(table) for table in batch.directions),
        strict=True,
    )
    rows = zip(
        rows_of(batch.connections, dict),
        *(rows_of(table, DataMetrics) for table in batch.data),
        (batch.starts[1:] - batch.starts[:-1]).tolist(),
        strict=True,
    )
    for row, c2s, s2c, count in rows:
        yield ConnectionMetrics(
            **_with_ends(row),
            c2s=c2s,
            s2c=s2c,
            subflows=tuple(_subflow(*next(subflows)) for _ in range(count)),
        )


def _subflow(row: dict[str, Any], c2s: DirectionMetrics, s2c: DirectionMetrics) -> SubflowMetrics:
    return SubflowMetrics(**_with_ends(row), c2s=c2s, s2c=s2c)


def _with_ends(row: dict[str, Any]) -> dict[str, Any]:
    for end in ("client", "server"):
        host, _, port = row[end].rpartition(":")
        row[end] = Endpoint(address=host.strip("[]"), port=int(port))
    return row


def _directions(table: Table) -> Iterator[DirectionMetrics]:
    for row in rows_of(table, dict):
        for name in ROUND_TRIPS:
            row[name] = RoundTrips(**{time: row.pop(f"{name}_{time}") for time in TIMES})
        yield DirectionMetrics(**row)
