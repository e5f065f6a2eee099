"""What captures hold, on the terminal: files, totals, connections with their subflows, news."""

import bisect
import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from mptcp_check.analysis.flows.subflows import Close, HmacState, Kind, Role
from mptcp_check.analysis.metrics.values import ConnectionMetrics, DirectionMetrics, SubflowMetrics
from mptcp_check.analysis.reporting import inspect_document
from mptcp_check.analysis.reporting.inspect_document import InspectedFile
from mptcp_check.analysis.reporting.report_text import byte_count, seconds
from mptcp_check.cli import inspect_words

Numbered = tuple[int, ConnectionMetrics]
"""A connection with its number in the document."""

MOST_CONNECTIONS: Final = 25
"""In the table, unless all are asked for: those with most data, Multipath TCP before the rest."""
MOST_NEWS: Final = 12
UNBOUND: Final = 10_000
"""Columns of a terminal on which everything fits, to see what it takes."""

NONE: Final = "·"
"""Where there is nothing to tell."""

CLOSES: Final[dict[Close, tuple[str, str]]] = {
    Close.FIN: ("closed", ""),
    Close.FASTCLOSE: ("fast close", "yellow"),
    Close.RST: ("reset", "yellow"),
    Close.OPEN: ("open", "dim"),
}
STYLES: Final = ("bold red", "yellow", "")
"""By the kind of news of `inspect_words`."""
SYMBOLS: Final = ("✗", "↓", "•")


def show(console: Console, files: Sequence[InspectedFile], *, all_connections: bool) -> None:
    """Print all of it.

    Args:
        console: Where.
        files: The captures.
        all_connections: Not only the largest ones.
    """
    for file in files:
        console.print(_file(file))
    seen = _Seen()
    for id_, connection in _numbered(files):
        seen.take(id_, connection, keep=all_connections)
    console.print(_totals(files, seen.plain_count))
    shown = seen.shown()
    if shown:
        console.print(_fitting(console, shown))
    if len(shown) < seen.count:
        rest = f"{_grouped(seen.count - len(shown))} more connections: --all shows them"
        console.print(Text(rest, style="dim"))
    for severity, id_, said in seen.news:
        console.print(
            Text.assemble((f"{SYMBOLS[severity]} ", STYLES[severity]), f"connection {id_}: {said}")
        )
    if len(seen.news) < seen.news_count:
        rest = f"and {_grouped(seen.news_count - len(seen.news))} more of these: --json"
        console.print(Text(rest, style="dim"))


def _numbered(files: Sequence[InspectedFile]) -> Iterator[Numbered]:
    for file, first in zip(files, inspect_document.first_ids(files), strict=True):
        for connection in file.inspection.connections:
            yield first + connection.id, connection


class _Seen:
    """What is kept of connections that pass by one after the other: there may be very many."""

    def __init__(self) -> None:
        self.count = self.plain_count = self.news_count = 0
        self.news: list[tuple[int, int, str]] = []
        """How bad, of which connection, what: the worst first, no more than are shown."""
        self._all: list[Numbered] = []
        self._largest: list[tuple[bool, int, int, ConnectionMetrics]] = []

    def take(self, id_: int, connection: ConnectionMetrics, *, keep: bool) -> None:
        """Look at a connection.

        Args:
            id_: Its number.
            connection: What is known of it.
            keep: Show it even if it is not among the largest.
        """
        self.count += 1
        self.plain_count += connection.kind is Kind.TCP
        if keep:
            self._all.append((id_, connection))
        data = connection.c2s.data_bytes + connection.s2c.data_bytes
        heapq.heappush(self._largest, (connection.kind is not Kind.TCP, data, -id_, connection))
        if len(self._largest) > MOST_CONNECTIONS:
            heapq.heappop(self._largest)
        for severity, said in inspect_words.sentences(connection):
            self.news_count += 1
            bisect.insort(self.news, (severity, id_, said))
            del self.news[MOST_NEWS:]

    def shown(self) -> list[Numbered]:
        """Return the connections to show, in their order."""
        largest = ((-negative, connection) for _, _, negative, connection in self._largest)
        return self._all or sorted(largest, key=lambda entry: entry[0])


def _file(file: InspectedFile) -> Text:
    found = file.inspection
    lasted = ""
    if found.first_ns is not None and found.last_ns is not None:
        lasted = f" in {seconds(found.last_ns - found.first_ns)}"
    about = f"{_count(found.packets_count, 'packet')}{lasted}, {byte_count(found.bytes_count)}"
    links = ", ".join((found.format, *found.link_types))
    return Text.assemble((file.path, "bold"), f"  {about}, {links}")


def _totals(files: Sequence[InspectedFile], plain: int) -> Table:
    """Return the sums in words, nothing that is zero but what people look for."""
    sums = inspect_document.total(files)
    attempts = f"{sums.mp_capable_established} of {_count(sums.mp_capable_attempts, 'attempt')}"
    established = f"{attempts} established"
    if sums.mp_capable_plain_synack:
        established += f", {sums.mp_capable_plain_synack} answered without the option"
    if plain:
        established += f"; {_count(plain, 'connection')} of plain TCP"
    joins = f"{sums.join_complete} of {_count(sums.join_attempts, 'join')} complete"
    if sums.join_without_connection:
        joins += f", {sums.join_without_connection} with a token of no captured connection"
    if sums.midstream_subflows:
        joins += f"; {_count(sums.midstream_subflows, 'subflow')} began before the capture"
    if sums.hmac_ok or sums.hmac_bad:
        joins += f"; HMACs: {sums.hmac_ok} right, {sums.hmac_bad} wrong"
    sent = [byte_count(size) for size in (sums.data_bytes_c2s, sums.data_bytes_s2c)]
    data = f"{sent[0]} to servers, {sent[1]} to clients"
    if sums.duplicate_bytes:
        data += f", {byte_count(sums.duplicate_bytes)} more than once"
    if sums.dss_checksum_ok or sums.dss_checksum_bad:
        data += f"; checksums: {sums.dss_checksum_ok} right, {sums.dss_checksum_bad} wrong"
    options = ", ".join(f"{_grouped(n)} {name}" for name, n in sums.options.items() if n)
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column()
    grid.add_row("Multipath TCP", established)
    grid.add_row("joins", joins)
    grid.add_row("data", data)
    grid.add_row("options", options or "none of Multipath TCP")
    if sums.rst_packets:
        grid.add_row("resets", _count(sums.rst_packets, "RST segment"))
    return grid


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """A connection, or one of several subflows of it."""

    number: str
    ends: tuple[str, str]
    """Client and server."""
    branch: tuple[str, str] = ("", "")
    """The tree before either of them, where they stand on two lines."""
    kind: Text
    to_server: str
    to_client: str
    rate: str
    round_trip: str
    resent: str
    end: Text


def _fitting(console: Console, numbered: Sequence[Numbered]) -> Table:
    """Return the table of connections in the richest form that the terminal is wide enough for."""
    unbound = console.options.update(max_width=UNBOUND)
    for with_rate in (True, False):
        table = _wide(numbered, with_rate=with_rate)
        if Measurement.get(console, unbound, table).maximum <= console.width:
            return table
    return _narrow(numbered)


def _wide(numbered: Sequence[Numbered], *, with_rate: bool) -> Table:
    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold", padding=(0, 1, 0, 0))
    shown.add_column("", justify="right", no_wrap=True, style="dim")
    shown.add_column("client → server", no_wrap=True)
    shown.add_column("", no_wrap=True)
    titles = ["to server", "to client", *(["rate"] if with_rate else []), "RTT", "resent"]
    for title in titles:
        shown.add_column(title, justify="right", no_wrap=True)
    shown.add_column("end", no_wrap=True)
    for row in (row for entry in numbered for row in _rows(*entry)):
        ends = Text.assemble((row.branch[0], "dim"), f"{row.ends[0]} → {row.ends[1]}")
        data = [row.to_server, row.to_client, *([row.rate] if with_rate else [])]
        shown.add_row(row.number, ends, row.kind, *data, row.round_trip, row.resent, row.end)
    return shown


def _narrow(numbered: Sequence[Numbered]) -> Table:
    """Return the same on two lines each: addresses one below the other, the end below the kind."""
    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold", padding=0)
    shown.add_column("", justify="right", no_wrap=True, style="dim")
    shown.add_column("client → server", overflow="fold")
    shown.add_column("", no_wrap=True)
    for title in ("to server", "to client", "RTT", "resent"):
        shown.add_column(title, justify="right", no_wrap=True)
    for row in (row for entry in numbered for row in _rows(*entry)):
        client = Text.assemble((row.branch[0], "dim"), row.ends[0])
        server = Text.assemble((row.branch[1], "dim"), f"→ {row.ends[1]}")
        kind = Text("\n").join([*row.kind.split(", "), *([row.end] if row.end else [])])
        ends = Text("\n").join([client, server])
        numbers = (row.to_server, row.to_client, row.round_trip, row.resent)
        shown.add_row(row.number, ends, kind, *numbers)
    return shown


def _rows(id_: int, connection: ConnectionMetrics) -> Iterator[_Row]:
    """Yield the connection's row and, where there are several subflows, one for each."""
    end, style = CLOSES[connection.close]
    alone = connection.subflows[0] if len(connection.subflows) == 1 else None
    rates = [d.goodput_bps for d in (connection.c2s, connection.s2c) if d.goodput_bps]
    yield _Row(
        number=str(id_),
        ends=(str(connection.client), str(connection.server)),
        kind=_kind(connection),
        to_server=byte_count(connection.c2s.data_bytes),
        to_client=byte_count(connection.s2c.data_bytes),
        rate=_rate(max(rates)) if rates else NONE,
        round_trip=_round_trip(alone) if alone else "",
        resent=_resent(connection.subflows),
        end=Text(end, style=style),
    )
    if alone and alone.role is Role.INITIAL:
        return
    for subflow in connection.subflows:
        last = subflow is connection.subflows[-1]
        yield _Row(
            number="",
            ends=(str(subflow.client), str(subflow.server)),
            branch=("└ ", "  ") if last else ("├ ", "│ "),
            kind=_role(subflow),
            to_server=_share(subflow.c2s),
            to_client=_share(subflow.s2c),
            rate="",
            round_trip=_round_trip(subflow),
            resent=_resent([subflow]),
            end=Text(),
        )


def _kind(connection: ConnectionMetrics) -> Text:
    if connection.kind is Kind.TCP:
        return Text("TCP", style="dim")
    if connection.kind is Kind.FALLBACK:
        return Text("fell back", style="yellow")
    version = "" if connection.mptcp_version is None else f" v{connection.mptcp_version}"
    return Text(f"MPTCP{version}", style="green")


def _role(subflow: SubflowMetrics) -> Text:
    words = ["first" if subflow.role is Role.INITIAL else "join"]
    style = ""
    if subflow.hmac is HmacState.BAD:
        words.append("✗ HMAC")
        style = "bold red"
    elif subflow.role is Role.JOIN and not subflow.complete:
        words.append("failed")
        style = "yellow"
    if subflow.backup:
        words.append("backup")
    return Text(", ".join(words), style=style or "dim")


def _share(metrics: DirectionMetrics) -> str:
    return NONE if metrics.data_share is None else f"{metrics.data_share:.0%}"


def _round_trip(subflow: SubflowMetrics) -> str:
    """Return the least round trip: from the capture point to either end and back, together."""
    found = []
    for metrics in (subflow.c2s, subflow.s2c):
        least = [
            m.min_ns for m in (metrics.rtt_acks, metrics.rtt_timestamps) if m.min_ns is not None
        ]
        found.append(min(least, default=None))
    if None in found:
        return seconds(subflow.handshake_ns) if subflow.handshake_ns is not None else NONE
    return seconds(sum(number for number in found if number is not None))


def _resent(subflows: Sequence[SubflowMetrics]) -> str:
    both = [metrics for subflow in subflows for metrics in (subflow.c2s, subflow.s2c)]
    segments = sum(metrics.data_packets_count for metrics in both)
    again = sum(metrics.retransmitted_count for metrics in both)
    if not segments:
        return NONE
    return f"{again / segments:.1%}" if again else "0"


def _rate(bits_per_second: float) -> str:
    """Return a rate: ``9.4 Mbit/s``."""
    size = bits_per_second
    for unit in ("bit/s", "kbit/s", "Mbit/s"):
        if size < 1000:  # noqa: PLR2004 - of the next unit
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} Gbit/s"


def _count(number: int, name: str) -> str:
    return f"{_grouped(number)} {name}{'' if number == 1 else 's'}"


def _grouped(number: int) -> str:
    return f"{number:,}"
