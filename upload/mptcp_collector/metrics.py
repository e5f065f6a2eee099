"""Prometheus metrics: what is counted, and its text form.

Text exposition format 0.0.4: github.com/prometheus/docs, instrumenting/exposition_formats.
"""

import threading
from collections import Counter
from collections.abc import Mapping
from typing import Final

PREFIX: Final = "mptcp_check_collector_"
CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

COUNTERS: Final[dict[str, tuple[str, str]]] = {
    "answers_total": ("status", "Answers by status"),
    "problems_total": ("problem", "Requests refused, by problem"),
    "received_bytes_total": ("", "Bytes of uploads that arrived"),
}
"""Name -> label and help."""


class Metrics:
    """Counts since the start."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[str, Counter[str]] = {name: Counter() for name in COUNTERS}

    def count(self, name: str, label: str = "", *, by: int = 1) -> None:
        """Add to one of `COUNTERS`; labels come from our own tables, never from a request."""
        with self._lock:
            self._counts[name][label] += by

    def text(self, runs: Mapping[str, int]) -> str:
        """Return everything as Prometheus reads it.

        Args:
            runs: Number of runs by state.
        """
        lines = []
        with self._lock:
            for name, (label, words) in COUNTERS.items():
                lines += _metric(name, "counter", words, label, self._counts[name])
        lines += _metric("runs", "gauge", "Runs by state", "state", runs)
        return "\n".join(lines) + "\n"


def _metric(name: str, kind: str, words: str, label: str, values: Mapping[str, int]) -> list[str]:
    lines = [f"# HELP {PREFIX}{name} {words}", f"# TYPE {PREFIX}{name} {kind}"]
    for value, number in sorted(values.items()):
        of = f'{{{label}="{value}"}}' if label else ""
        lines.append(f"{PREFIX}{name}{of} {number}")
    return lines
