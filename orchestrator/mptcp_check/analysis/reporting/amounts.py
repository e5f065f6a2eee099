"""How long a run took and how much it sent, beside what was expected, in a sentence; pure."""

from collections.abc import Iterator, Mapping
from typing import Any

_MINUTE_S = 60
_EXACT_BELOW = 10_000_000


def sentences(document: Mapping[str, Any]) -> Iterator[str]:
    """Give the sentence; none for a diagnosis of captures alone, or of an older version.

    Args:
        document: ``mptcp-check.run/1``.
    """
    amounts, expected = document.get("amounts"), document.get("estimate")
    if not amounts or not expected:
        return
    again = amounts["tries_count"] - amounts["exchanges_count"]
    repeated = f" ({again} {'try' if again == 1 else 'tries'} more)" if again else ""
    count = amounts["exchanges_count"]
    yield (
        f"{count} exchange{'' if count == 1 else 's'}{repeated} took"
        f" {time(amounts['duration_s'])} and {size(amounts['wire_bytes'])} on the client's network;"
        f" {time(expected['duration_s'])} and {size(expected['wire_bytes'])} were expected."
    )


def size(count: int) -> str:
    """Return an amount as who pays by the byte counts it: ``6.9 MB``, ``263 MB``."""
    return f"{count / 1e6:.1f} MB" if count < _EXACT_BELOW else f"{round(count / 1e6)} MB"


def time(seconds: float) -> str:
    """Return a duration: ``47 s``, ``4 min 03 s``."""
    minutes, rest = divmod(round(seconds), _MINUTE_S)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
