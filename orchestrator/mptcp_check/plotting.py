"""Write the plots of a capture into a directory: SVG files, a page per connection, an index.

    DIR/index.html
    DIR/connection-3/index.html        pan and zoom, opens offline
    DIR/connection-3/c2s-sequence.svg  and nine more like it

The directory appears whole or not at all.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from mptcp_check import new_folder
from mptcp_check.analysis.capture.capture_file import Capture
from mptcp_check.analysis.flows.connections import Connection, Kind
from mptcp_check.analysis.plots import page, svg
from mptcp_check.analysis.plots.figure import Figure
from mptcp_check.analysis.plots.figures import figures_of
from mptcp_check.analysis.series.extraction import series_of
from mptcp_check.analysis.series.values import ConnectionSeries

MOST_CONNECTIONS: Final = 1_000
"""Drawn at most, those with the most payload: each one is a folder of eleven files."""

MoreFigures = Callable[[ConnectionSeries], Iterable[Figure]]


def write(
    capture: Capture,
    connections: Sequence[Connection],
    directory: Path,
    *,
    source: str = "",
    most: int = MOST_CONNECTIONS,
    more: MoreFigures = lambda _: (),
) -> tuple[Path, ...]:
    """Draw every Multipath TCP connection that carried data.

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
    with new_folder.whole(directory) as made:
        drawn = _draw(capture, connections, made, source, most=most, more=more)
        names = [path.relative_to(made) for path in drawn]
    return tuple(directory / name for name in names)


def _draw(
    capture: Capture,
    connections: Sequence[Connection],
    made: Path,
    source: str,
    *,
    most: int,
    more: MoreFigures,
) -> Iterator[Path]:
    """Write everything; the index is yielded first."""
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
    first_ns = min((c.start_ns for c in connections), default=0)
    rows, files = [], []
    for connection in sorted(chosen, key=lambda c: c.id):
        series = series_of(packets, connection)
        folder = made / f"connection-{connection.id}"
        folder.mkdir()
        figures = (*figures_of(series), *more(series))
        drawings = {figure.id: svg.render(figure) for figure in figures}
        files.append(folder / "index.html")
        files[-1].write_text(
            page.connection_page(series, figures, drawings, source=source), encoding="utf-8"
        )
        for name, drawing in drawings.items():
            files.append(folder / f"{name}.svg")
            files[-1].write_text(drawing, encoding="utf-8")
        rows.append(page.index_row(series, f"{folder.name}/index.html", first_ns))
    left_out = _left_out(
        others=len(connections) - len(multipath),
        silent=len(multipath) - len(carrying),
        beyond=len(carrying) - len(chosen),
    )
    index = made / "index.html"
    index.write_text(page.index_page(rows, source=source, left_out=left_out), encoding="utf-8")
    yield index
    yield from files


def _left_out(*, others: int, silent: int, beyond: int) -> list[str]:
    """Say what was not drawn."""
    words = {
        "{:,} with less data are not drawn": beyond,
        "{:,} carried no data": silent,
        "{:,} connections are plain TCP or fell back to it": others,
    }
    return [phrase.format(count) for phrase, count in words.items() if count]
