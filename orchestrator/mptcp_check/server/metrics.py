"""Prometheus metrics: the table of what is counted, and its text form; PURE.

Text exposition format 0.0.4: github.com/prometheus/docs, instrumenting/exposition_formats.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

PREFIX: Final = "mptcp_check_server_"
CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One metric with its values."""

    name: str
    kind: Literal["counter", "gauge"]
    help: str
    values: Mapping[str, float]
    """Label's value -> number; an empty label for a metric without."""
    label: str = ""


def text(metrics: Sequence[Metric]) -> str:
    """Return the metrics as Prometheus reads them."""
    lines = []
    for metric in metrics:
        name = PREFIX + metric.name
        lines += [f"# HELP {name} {metric.help}", f"# TYPE {name} {metric.kind}"]
        for value, number in sorted(metric.values.items()):
            label = f'{{{metric.label}="{_escaped(value)}"}}' if metric.label else ""
            lines.append(
                f"{name}{label} {number:g}" if number % 1 else f"{name}{label} {number:.0f}"
            )
    return "\n".join(lines) + "\n"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
