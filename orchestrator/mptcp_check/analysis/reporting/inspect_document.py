"""What captures hold, as the document that ``inspect --json`` prints: `mptcp-check.inspect/1`.

The keys are the names of the values in `metrics.values`, which say what each one means.
"""

import json
import operator
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

from mptcp_check.analysis.metrics.values import (
    ConnectionMetrics,
    DataMetrics,
    DirectionMetrics,
    Inspection,
    RoundTrips,
    SubflowMetrics,
    Totals,
)

SCHEMA: Final = "mptcp-check.inspect/1"

Document = dict[str, Any]
"""JSON: this module is where values become it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InspectedFile:
    """One capture among those that were asked for."""

    path: str
    """As the user gave it."""
    inspection: Inspection


class _Cells:
    """Takes fields of values, many times, by their names."""

    def __init__(self, kind: type) -> None:
        self.names = tuple(field.name for field in fields(kind))
        self._of = operator.attrgetter(*self.names)

    def __call__(self, value: object) -> Document:
        """Return the fields of a value by their names."""
        return dict(zip(self.names, self._of(value), strict=True))


# A hundred thousand connections have four hundred thousand of these: `dataclasses.asdict`, which
# copies deeply, would take twenty times as long.
ROUND_TRIP_FIELDS: Final = ("rtt_timestamps", "rtt_acks")
ROUND_TRIPS: Final = _Cells(RoundTrips)
DIRECTION: Final = _Cells(DirectionMetrics)
DATA: Final = _Cells(DataMetrics)
TOTALS: Final = _Cells(Totals)


def document(files: Sequence[InspectedFile]) -> Document:
    """Return the whole document.

    Args:
        files: The captures, in the order they were asked for; connections are numbered through.
    """
    head = _head(files)
    return {**head, "connections": list(_connections(files))}


def lines(files: Sequence[InspectedFile], **more: Document) -> Iterator[str]:
    """Yield the document as text, a connection a line, so that no size of it fills the memory.

    Args:
        files: As in `document`.
        more: Further keys before the connections.
    """
    # What is made here holds no cycles; to look for them takes half of the time.
    encode = json.JSONEncoder(check_circular=False).encode
    head = json.dumps({**_head(files), **more}, indent=1)
    yield head.removesuffix("\n}") + ',\n "connections": ['
    separator = "\n"
    for connection in _connections(files):
        yield separator + "  " + encode(connection)
        separator = ",\n"
    yield "\n ]\n}\n"


def first_ids(files: Sequence[InspectedFile]) -> list[int]:
    """Return for each file the number of its first connection in the document."""
    found, total = [], 0
    for file in files:
        found.append(total)
        total += len(file.inspection.connections)
    return found


def total(files: Sequence[InspectedFile]) -> Totals:
    """Return the sums over all files."""
    parts = [file.inspection.totals for file in files]
    options: dict[str, int] = {}
    for part in parts:
        for name, count in part.options.items():
            options[name] = options.get(name, 0) + count
    names = (name for name in TOTALS.names if name != "options")
    return Totals(
        **{name: sum(getattr(part, name) for part in parts) for name in names}, options=options
    )


def _head(files: Sequence[InspectedFile]) -> Document:
    sums = total(files)
    return {
        "schema": SCHEMA,
        "files": [_file(file) for file in files],
        "totals": {**TOTALS(sums), "options": dict(sums.options)},
    }


def _file(file: InspectedFile) -> Document:
    found = file.inspection
    return {
        "path": file.path,
        "format": found.format,
        "packets": found.packets_count,
        "bytes": found.bytes_count,
        "link_types": list(found.link_types),
        "fragments": found.fragment_count,
        "cut_segments": found.cut_count,
        "first_ns": found.first_ns,
        "last_ns": found.last_ns,
        "interfaces": [
            {"name": i.name, "received": i.received_count, "dropped": i.dropped_count}
            for i in found.interfaces
        ],
        "problems": [{"offset": p.offset, "reason": p.reason} for p in found.problems],
    }


def _connections(files: Sequence[InspectedFile]) -> Iterator[Document]:
    for index, (file, first) in enumerate(zip(files, first_ids(files), strict=True)):
        for connection in file.inspection.connections:
            yield _connection(connection, file=index, id_=first + connection.id)


def _connection(connection: ConnectionMetrics, *, file: int, id_: int) -> Document:
    return {
        "id": id_,
        "file": file,
        "kind": str(connection.kind),
        "mptcp_version": connection.mptcp_version,
        "client": str(connection.client),
        "server": str(connection.server),
        "token_client": token_text(connection.token_client),
        "token_server": token_text(connection.token_server),
        "checksum_required": connection.checksum_required,
        "established": connection.established,
        "orphan": connection.orphan,
        "close": str(connection.close),
        "start_ns": connection.start_ns,
        "end_ns": connection.end_ns,
        "handshake_ns": connection.handshake_ns,
        "add_addr_hmac_ok": connection.add_addr_ok_count,
        "add_addr_hmac_bad": connection.add_addr_bad_count,
        "data_bytes_c2s": connection.c2s.data_bytes,
        "data_bytes_s2c": connection.s2c.data_bytes,
        "data_c2s": DATA(connection.c2s),
        "data_s2c": DATA(connection.s2c),
        "subflows": [_subflow(subflow) for subflow in connection.subflows],
    }


def _subflow(subflow: SubflowMetrics) -> Document:
    return {
        "id": subflow.id,
        "flow": subflow.flow,
        "role": str(subflow.role),
        "complete": subflow.complete,
        "hmac": str(subflow.hmac),
        "backup": subflow.backup,
        "midstream": subflow.midstream,
        "opened_by_server": subflow.opened_by_server,
        "speaks_mptcp": subflow.speaks_mptcp,
        "client": str(subflow.client),
        "server": str(subflow.server),
        "token": token_text(subflow.token),
        "hmac_ok": subflow.hmac_ok_count,
        "hmac_bad": subflow.hmac_bad_count,
        "start_ns": subflow.start_ns,
        "end_ns": subflow.end_ns,
        "handshake_ns": subflow.handshake_ns,
        "join_delay_ns": subflow.join_delay_ns,
        "metrics_c2s": _direction(subflow.c2s),
        "metrics_s2c": _direction(subflow.s2c),
    }


def _direction(metrics: DirectionMetrics) -> Document:
    cells = DIRECTION(metrics)
    for name in ROUND_TRIP_FIELDS:
        cells[name] = ROUND_TRIPS(cells[name])
    return cells


def token_text(token: int | None) -> str | None:
    """Return a token as people and other tools write it: eight hexadecimal digits."""
    return None if token is None else f"{token:08x}"
