"""What two captures tell together, as the key ``two_ends`` of ``inspect --json --server``."""

from dataclasses import asdict, fields
from operator import attrgetter
from typing import Final

from mptcp_check.analysis.one_way.values import Spread, SubflowWays, TwoEnds, WayMetrics
from mptcp_check.analysis.reporting.inspect_document import Document
from mptcp_check.model import Side

ASSUMPTION: Final = (
    "Delays are right if the least delay is the same in both directions; otherwise all of one "
    "direction are too long, and all of the other too short, by the same amount, at most "
    "delay_error_ns. Their variation does not depend on it."
)
"""What absolute delays rest on."""

# There may be tens of thousands of these: `asdict`, which copies deeply, takes ten times as long.
_WAY: Final = tuple(field.name for field in fields(WayMetrics))
_SPREAD: Final = tuple(field.name for field in fields(Spread))
_WAY_VALUES: Final = attrgetter(*_WAY)
_SPREAD_VALUES: Final = attrgetter(*_SPREAD)


def two_ends(ends: TwoEnds, *, first_server_connection: int) -> Document:
    """Return the document's part.

    Args:
        ends: What was measured.
        first_server_connection: Number of the server's capture's first connection in the document;
            the client's begin at 0.
    """
    return {
        "clock": None if ends.clock is None else asdict(ends.clock),
        "assumption": ASSUMPTION,
        "lossy_captures": {str(side): ends.lossy[side] for side in Side},
        "subflows_alone": {str(side): ends.alone_count[side] for side in Side},
        "subflows_proxied": ends.proxied_count,
        "subflows_unaligned": ends.unaligned_count,
        "subflows": [_subflow(subflow, first_server_connection) for subflow in ends.subflows],
    }


def _subflow(subflow: SubflowWays, first: int) -> Document:
    at_client, at_server = subflow.numbers[Side.CLIENT], subflow.numbers[Side.SERVER]
    return {
        "connection": at_client[0],
        "subflow": at_client[1],
        "server_connection": first + at_server[0],
        "server_subflow": at_server[1],
        "role": str(subflow.role),
        "client": str(subflow.client),
        "server": str(subflow.server),
        "c2s": _way(subflow.c2s),
        "s2c": _way(subflow.s2c),
    }


def _way(metrics: WayMetrics) -> Document:
    cells: Document = dict(zip(_WAY, _WAY_VALUES(metrics), strict=True))
    for name in ("variation", "consecutive"):
        cells[name] = dict(zip(_SPREAD, _SPREAD_VALUES(cells[name]), strict=True))
    return cells
