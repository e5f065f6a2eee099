"""A connection's figures in one HTML file that opens anywhere, offline, and an index of them.

The policy in the file allows its own script and style by their hashes and nothing else: no request
leaves the page.  Without scripts the still SVGs are seen.
"""

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import jinja2

from mptcp_check.analysis.flows.connections import Connection, Role
from mptcp_check.analysis.plots import ink
from mptcp_check.analysis.plots.figure import Figure
from mptcp_check.analysis.plots.page_data import page_data
from mptcp_check.analysis.plots.scales import Quantity, worded
from mptcp_check.analysis.plots.svg_text import clean
from mptcp_check.analysis.series.values import ConnectionSeries, DirectionSeries, Sending

_LOADER: Final = jinja2.PackageLoader("mptcp_check.analysis.plots", "templates")
_ENVIRONMENT: Final = jinja2.Environment(
    loader=_LOADER,
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_CSS: Final = _LOADER.get_source(_ENVIRONMENT, "plots.css")[0]
_SCRIPT: Final = _LOADER.get_source(_ENVIRONMENT, "plots.js")[0]


def connection_page(
    series: ConnectionSeries,
    figures: Sequence[Figure],
    drawings: Mapping[str, str],
    *,
    source: str = "",
) -> str:
    """Return the page of one connection.

    Args:
        series: What was drawn.
        figures: Its figures, at least one.
        drawings: Their SVG documents by the figures' ids.
        source: Name of the capture, for the reader.
    """
    connection = series.connection
    return _ENVIRONMENT.get_template("connection.html.j2").render(
        policy=_policy(_CSS, _SCRIPT),
        css=_CSS,
        script=_SCRIPT,
        source=clean(source),
        heading=f"Connection {connection.id}: {connection.client} to {connection.server}",
        summary=_summary(connection),
        subflows=[_subflow(connection, place) for place in range(len(connection.subflows))],
        directions=[_direction(direction, figures, drawings) for direction in series.directions],
        data=page_data(figures),
    )


def index_page(
    rows: Sequence[Mapping[str, Any]], *, source: str = "", left_out: Iterable[str] = ()
) -> str:
    """Return the index.

    Args:
        rows: `index_row` of each connection that was drawn.
        source: Name of the capture, for the reader.
        left_out: Which connections were not drawn and why, in words.
    """
    words = [f"{len(rows):,} Multipath TCP connections with data are drawn", *left_out]
    return _ENVIRONMENT.get_template("index.html.j2").render(
        policy=_policy(_CSS),
        css=_CSS,
        heading=clean(f"Multipath TCP connections{f' of {source}' if source else ''}"),
        summary="; ".join(words) + ".",
        rows=rows,
    )


def index_row(series: ConnectionSeries, link: str, first_ns: int) -> Mapping[str, Any]:
    """Return what the index says of a connection; times count from `first_ns`."""
    connection = series.connection
    carried = {direction.from_client: direction.data_bytes for direction in series.directions}
    return {
        "id": connection.id,
        "link": link,
        "client": str(connection.client),
        "server": str(connection.server),
        "subflows": len(connection.subflows),
        "begins": _seconds(connection.start_ns - first_ns),
        "lasts": _seconds(connection.end_ns - connection.start_ns),
        "c2s": worded(Quantity.BYTES, carried.get(True, 0)),
        "s2c": worded(Quantity.BYTES, carried.get(False, 0)),
        "close": connection.close.value,
    }


def _summary(connection: Connection) -> str:
    parts = [f"{len(connection.subflows)} subflows"]
    if connection.mptcp_version is not None:
        parts.append(f"MPTCP version {connection.mptcp_version}")
    if connection.token_server is not None:
        parts.append(f"server's token {connection.token_server:08x}")
    parts.append(f"lasted {worded(Quantity.TIME, connection.end_ns - connection.start_ns)}")
    parts.append(f"close: {connection.close}")
    return ", ".join(parts)


def _subflow(connection: Connection, place: int) -> Mapping[str, Any]:
    subflow = connection.subflows[place]
    role = "initial" if subflow.role is Role.INITIAL else "join"
    words = [role, *(["backup"] if subflow.backup else [])]
    if not subflow.complete:
        words.append("handshake not complete")
    return {
        "specimen": [ink.element("path", path) for path in ink.specimen(place)],
        "id": subflow.id,
        "client": str(subflow.client),
        "server": str(subflow.server),
        "role": ", ".join(words),
        "begins": _seconds(subflow.start_ns - connection.start_ns),
        "ends": _seconds(subflow.end_ns - connection.start_ns),
    }


def _direction(
    direction: DirectionSeries, figures: Sequence[Figure], drawings: Mapping[str, str]
) -> Mapping[str, Any]:
    way = "c2s" if direction.from_client else "s2c"
    sent = direction.sent
    repeated = {kind: int((sent.end - sent.start)[sent.sending == kind].sum()) for kind in Sending}
    return {
        "title": "Client to server" if direction.from_client else "Server to client",
        "summary": f"{direction.data_bytes:,} bytes of data; "
        f"{repeated[Sending.RETRANSMITTED]:,} bytes sent again by TCP, "
        f"{repeated[Sending.REPEATED]:,} bytes again as data on the same subflow, "
        f"{repeated[Sending.REINJECTED]:,} bytes reinjected.",
        "plots": [
            {"id": figure.id, "svg": drawings[figure.id]}
            for figure in figures
            if figure.id.startswith(way)
        ],
    }


def _seconds(value_ns: int) -> str:
    return f"{value_ns / 1e9:.3f} s"


def _policy(css: str, script: str | None = None) -> str:
    """Return a content security policy: what is named by its hash, nothing else."""
    parts = ["default-src 'none'", f"style-src {_hash(css)}"]
    if script is not None:
        parts.append(f"script-src {_hash(script)}")
    return "; ".join([*parts, "base-uri 'none'", "form-action 'none'"])


def _hash(content: str) -> str:
    digest = hashlib.sha256(content.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
