"""Write the plots of a capture into a directory: SVG files, a page per connection, an index.

    DIR/index.html
    DIR/connection-3/index.html        pan and zoom, opens offline
    DIR/connection-3/c2s-sequence.svg  and nine more like it

The directory appears whole or not at all.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from mptcp_check import new_folder
from mptcp_check.analysis.capture.capture_file import Capture
from mptcp_check.analysis.capture.packets import Packets
from mptcp_check.analysis.flows.assembly import MPTCP
from mptcp_check.analysis.flows.connections import Connection, Kind, connections
from mptcp_check.analysis.plots import page, svg
from mptcp_check.analysis.plots.figure import Figure
from mptcp_check.analysis.plots.figures import figures_of
from mptcp_check.analysis.series.extraction import series_of
from mptcp_check.analysis.series.values import ConnectionSeries
from mptcp_check.analysis.tables.placing import place
from mptcp_check.analysis.tables.selection import selected
from mptcp_check.inspecting import Inspected

MOST_CONNECTIONS: Final = 1_000
"""Drawn at most, those with the most payload: each one is a folder of eleven files."""

LATEST_NS: Final = np.iinfo(np.int64).max

Counted = Callable[[int, int], None]
"""Told how many connections are drawn, and of how many."""

MoreFigures = Callable[[ConnectionSeries], Iterable[Figure]]


def no_figures(_: ConnectionSeries) -> Iterable[Figure]:
    """Draw nothing more."""
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Drawing:
    """What is drawn of a capture."""

    packets: Packets
    chosen: Sequence[Connection]
    """In the order of their numbers."""
    first_ns: int
    """Begin of the first connection of all."""
    others: int
    """Connections that are not Multipath TCP."""
    silent: int
    """Multipath TCP connections without data."""
    beyond: int
    """Those with data that are not drawn, as they are too many."""
    source: str
    more: MoreFigures
    """Further figures of a connection."""


def write(
    capture: Capture,
    connections: Sequence[Connection],
    directory: Path,
    *,
    source: str = "",
    most: int = MOST_CONNECTIONS,
    more: MoreFigures = no_figures,
) -> tuple[Path, ...]:
    """Draw every Multipath TCP connection that carried data, of a capture that is decoded whole.

    Args:
        capture: What was captured.
        connections: Its connections; those that are not Multipath TCP are counted in the index.
        directory: Made here; it must not be there yet, or be empty.
        source: Name of the capture, for the reader.
        most: How many connections are drawn; the index says how many were not.
        more: Further figures of a connection.

    Returns:
        The files, the index first.

    Raises:
        UsageError: The directory is something else, holds something, or cannot be written.
        OSError: The disk is full.
    """
    packets = capture.packets
    multipath = [c for c in connections if c.kind is Kind.MPTCP]

    def payload(connection: Connection) -> int:
        return sum(
            int(packets.payload_bytes[rows].sum())
            for subflow in connection.subflows
            for rows in (subflow.rows_c2s, subflow.rows_s2c)
        )

    carrying = [c for c in multipath if payload(c)]
    chosen = sorted(carrying, key=payload, reverse=True)[:most]
    drawing = _Drawing(
        packets=packets,
        chosen=sorted(chosen, key=lambda c: c.id),
        first_ns=min((c.start_ns for c in connections), default=0),
        others=len(connections) - len(multipath),
        silent=len(multipath) - len(carrying),
        beyond=len(carrying) - len(chosen),
        source=source,
        more=more,
    )
    with new_folder.whole(directory) as made:
        names = [path.relative_to(made) for path in _draw(drawing, made, None)]
    return tuple(directory / name for name in names)


def plot(
    inspected: Inspected,
    directory: Path,
    *,
    most: int = MOST_CONNECTIONS,
    more: MoreFigures = no_figures,
    progress: Counted | None = None,
) -> str:
    """Draw the connections of a capture of any size: only what is drawn is in memory.

    Args:
        inspected: The capture.
        directory: As `write` takes it.
        most: How many connections are drawn.
        more: Further figures of a connection.
        progress: Told after each connection.

    Returns:
        A sentence on what was not drawn for want of room; empty if there is none.

    Raises:
        CaptureError: The file has changed since it was inspected.
        UsageError: As `write`.
        OSError: The disk is full.
    """
    found, given = inspected.inspection.connections, inspected.given
    multipath = found.places.kind == MPTCP
    payload = np.where(multipath, found.payload_bytes, 0)
    carrying = np.flatnonzero(payload)
    wanted = np.zeros(len(payload), np.bool_)
    wanted[carrying[np.argsort(-payload[carrying], kind="stable")[:most]]] = True
    with new_folder.whole(directory) as made:
        packets, owner = selected(place(given.again, given.size_bytes, found.places), wanted)
        chosen: dict[int, Connection] = {}
        for connection in connections(packets):
            first = connection.subflows[0]
            row = int((*first.rows_c2s[:1], *first.rows_s2c[:1])[0])
            # the number that the inspection gave it
            chosen.setdefault(int(owner[row]), replace(connection, id=int(owner[row])))
        drawing = _Drawing(
            packets=packets,
            chosen=[chosen[id_] for id_ in sorted(chosen)],
            first_ns=int(found.places.start_ns.min(initial=LATEST_NS)) if len(payload) else 0,
            others=int((~multipath).sum()),
            silent=int(multipath.sum()) - len(carrying),
            beyond=len(carrying) - int(wanted.sum()),
            source=given.name,
            more=more,
        )
        for _ in _draw(drawing, made, progress):
            pass
    if not drawing.beyond:
        return ""
    return f"the {most:,} connections with the most data are drawn, {drawing.beyond:,} are not"


def _draw(drawing: _Drawing, made: Path, progress: Counted | None) -> Iterator[Path]:
    """Write everything; the index is yielded first."""
    rows, files = [], []
    for count, connection in enumerate(drawing.chosen, 1):
        series = series_of(drawing.packets, connection)
        folder = made / f"connection-{connection.id}"
        folder.mkdir()
        figures = (*figures_of(series), *drawing.more(series))
        drawings = {figure.id: svg.render(figure) for figure in figures}
        files.append(folder / "index.html")
        files[-1].write_text(
            page.connection_page(series, figures, drawings, source=drawing.source),
            encoding="utf-8",
        )
        for name, drawn in drawings.items():
            files.append(folder / f"{name}.svg")
            files[-1].write_text(drawn, encoding="utf-8")
        rows.append(page.index_row(series, f"{folder.name}/index.html", drawing.first_ns))
        if progress:
            progress(count, len(drawing.chosen))
    index = made / "index.html"
    index.write_text(
        page.index_page(rows, source=drawing.source, left_out=_left_out(drawing)),
        encoding="utf-8",
    )
    yield index
    yield from files


def _left_out(drawing: _Drawing) -> list[str]:
    """Say what was not drawn."""
    words = {
        "{:,} with less data are not drawn": drawing.beyond,
        "{:,} carried no data": drawing.silent,
        "{:,} connections are plain TCP or fell back to it": drawing.others,
    }
    return [phrase.format(count) for phrase, count in words.items() if count]
