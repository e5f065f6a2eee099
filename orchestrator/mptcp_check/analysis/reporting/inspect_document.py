"""What captures hold, as the document that ``inspect --json`` prints: `mptcp-check.inspect/1`.

The keys are the names of the values in `metrics.values`, which say what each one means.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np

from mptcp_check.analysis.metrics.connection_values import ROUND_TRIPS
from mptcp_check.analysis.metrics.results import Batch
from mptcp_check.analysis.metrics.values import (
    DataMetrics,
    DirectionMetrics,
    Inspection,
    RoundTrips,
    Totals,
)
from mptcp_check.analysis.reporting.json_rows import Template, Texts, object_template
from mptcp_check.analysis.tables.table import Cells, constant, numbers

SCHEMA: Final = "mptcp-check.inspect/1"

Document = dict[str, Any]
"""JSON: this module is where values become it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InspectedFile:
    """One capture among those that were asked for."""

    path: str
    """As the user gave it."""
    inspection: Inspection


BETWEEN: Final = ", "
TIMES: Final = tuple(field.name for field in fields(RoundTrips))
TOTALS: Final = tuple(field.name for field in fields(Totals))


def _direction_parts() -> list[str]:
    """Return what `Template` takes: round-trip times are objects in the object."""
    parts: list[str] = []
    separator = "{"
    for field in fields(DirectionMetrics):
        key = json.dumps(field.name)
        if field.name in ROUND_TRIPS:
            parts += [f'{separator}{key}: {{"{TIMES[0]}": ', f"{field.name}_{TIMES[0]}"]
            for time in TIMES[1:]:
                parts += [f', "{time}": ', f"{field.name}_{time}"]
            separator = "}, "
        else:
            parts += [f"{separator}{key}: ", field.name]
            separator = ", "
    return [*parts, "}"]


DIRECTION: Final = Template(_direction_parts())
DATA: Final = object_template({field.name: field.name for field in fields(DataMetrics)})
SUBFLOW: Final = object_template(
    {
        "id": "id",
        "flow": "flow",
        "role": "role",
        "complete": "complete",
        "hmac": "hmac",
        "backup": "backup",
        "midstream": "midstream",
        "opened_by_server": "opened_by_server",
        "speaks_mptcp": "speaks_mptcp",
        "client": "client",
        "server": "server",
        "token": "token",
        "hmac_ok": "hmac_ok_count",
        "hmac_bad": "hmac_bad_count",
        "start_ns": "start_ns",
        "end_ns": "end_ns",
        "handshake_ns": "handshake_ns",
        "join_delay_ns": "join_delay_ns",
        "metrics_c2s": "c2s",
        "metrics_s2c": "s2c",
    },
    after=BETWEEN,
)
"""The columns of `SubflowMetrics` by the keys of the document; so the next one."""
CONNECTION: Final = object_template(
    {
        "id": "id",
        "file": "file",
        "kind": "kind",
        "mptcp_version": "mptcp_version",
        "client": "client",
        "server": "server",
        "token_client": "token_client",
        "token_server": "token_server",
        "checksum_required": "checksum_required",
        "established": "established",
        "orphan": "orphan",
        "close": "close",
        "start_ns": "start_ns",
        "end_ns": "end_ns",
        "handshake_ns": "handshake_ns",
        "add_addr_hmac_ok": "add_addr_ok_count",
        "add_addr_hmac_bad": "add_addr_bad_count",
        "add_addr_hmac_leftmost": "add_addr_leftmost_count",
        "data_bytes_c2s": "data_bytes_c2s",
        "data_bytes_s2c": "data_bytes_s2c",
        "data_c2s": "c2s",
        "data_s2c": "s2c",
        "subflows": "subflows",
    },
    arrays=("subflows",),
    before=",\n  ",
)


def document(files: Sequence[InspectedFile]) -> Document:
    """Return the whole document.

    Args:
        files: The captures, in the order they were asked for; connections are numbered through.
    """
    found: Document = json.loads("".join(lines(files)))
    return found


def lines(files: Sequence[InspectedFile], **more: Document) -> Iterator[str]:
    """Yield the document as text, a connection a line, so that no size of it fills the memory.

    Args:
        files: As in `document`.
        more: Further keys before the connections.
    """
    head = json.dumps({**_head(files), **more}, indent=1)
    yield head.removesuffix("\n}") + ',\n "connections": ['
    nothing_before = True
    for index, (file, first) in enumerate(zip(files, first_ids(files), strict=True)):
        for batch in file.inspection.connections.batches():
            text = _connections(batch, file=index, first=first)
            yield text.removeprefix(",") if nothing_before else text
            nothing_before = False
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
    names = (name for name in TOTALS if name != "options")
    return Totals(
        **{name: sum(getattr(part, name) for part in parts) for name in names}, options=options
    )


def _head(files: Sequence[InspectedFile]) -> Document:
    sums = total(files)
    return {
        "schema": SCHEMA,
        "files": [_file(file) for file in files],
        "totals": {name: getattr(sums, name) for name in TOTALS} | {"options": dict(sums.options)},
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
        "late_segments": found.late_count,
        "first_ns": found.first_ns,
        "last_ns": found.last_ns,
        "interfaces": [
            {"name": i.name, "received": i.received_count, "dropped": i.dropped_count}
            for i in found.interfaces
        ],
        "problems": [{"offset": p.offset, "reason": p.reason} for p in found.problems],
    }


def _connections(batch: Batch, *, file: int, first: int) -> str:
    """Return connections as text, each on a line of its own, with a comma before it."""
    count, subflow_count = len(batch), len(batch.subflows["id"].values)
    c2s, s2c = (DIRECTION.fill(table, subflow_count) for table in batch.directions)
    written = SUBFLOW.fill(
        {**batch.subflows, "token": token_texts(batch.subflows["token"]), "c2s": c2s, "s2c": s2c},
        subflow_count,
    )
    # The elements of an array stand one after the other; nothing follows the last one.
    starts, ends = batch.starts[:-1], batch.starts[1:] - 1
    subflows = Texts(written.pool, written.starts[starts], written.ends[ends] - len(BETWEEN))
    data = [DATA.fill(table, count) for table in batch.data]
    rows = batch.connections
    columns: dict[str, Cells | Texts] = {
        **rows,
        **{name: token_texts(rows[name]) for name in ("token_client", "token_server")},
        "id": numbers(rows["id"].values + first),
        "file": constant(file, count),
        "data_bytes_c2s": batch.data[0]["data_bytes"],
        "data_bytes_s2c": batch.data[1]["data_bytes"],
        "c2s": data[0],
        "s2c": data[1],
        "subflows": subflows,
    }
    return CONNECTION.fill(columns, count).pool.tobytes().decode("ascii")


def token_text(token: int | None) -> str | None:
    """Return a token as people and other tools write it: eight hexadecimal digits."""
    return None if token is None else f"{token:08x}"


def token_texts(column: Cells) -> Cells:
    """Return a column of tokens as text."""
    words = [token_text(token) or "" for token in column.values.tolist()]
    return Cells(values=np.arange(len(words)), missing=column.missing, words=words)
