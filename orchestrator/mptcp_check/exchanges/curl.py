"""What every curl of an exchange is told, whatever it transfers."""

import math

from mptcp_check.model import Exchange

SECOND_LINE_S = 3
"""How long after the guest agent's kill curl would give up by itself."""


def command(exchange: Exchange, *words: str) -> tuple[str, ...]:
    """Return a curl that depends on nothing but its own words.

    Its stderr holds the application's dialogue (``--verbose``), its stdout the times of the
    transfer as JSON.

    Args:
        exchange: Gives the deadline.
        words: What to transfer.
    """
    return (
        "curl",
        "--disable",  # no .curlrc; counts only as the first word
        *("--noproxy", "*"),
        "--globoff",  # brackets are IPv6
        "--fail",
        "--silent",
        "--show-error",
        "--verbose",
        "--no-keepalive",
        *("--max-time", str(math.ceil(exchange.deadline_s) + SECOND_LINE_S)),
        *("--write-out", "%{json}"),
        *words,
    )
