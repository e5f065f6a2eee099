"""docs/inspect.md names every field and every column that there is."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from mptcp_check import exporting
from mptcp_check.analysis.metrics.values import DataMetrics, DirectionMetrics

TEXT = (Path(__file__).parents[3] / "docs" / "inspect.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", [DirectionMetrics, DataMetrics])
def test_every_metric_has_its_line(kind: type) -> None:
    for field in fields(kind):
        (meaning, *_) = re.findall(rf"^\| `{field.name}` \| (.+) \|$", TEXT, re.MULTILINE)
        assert meaning


@pytest.mark.parametrize("table", exporting.TABLES)
def test_every_column_is_named_in_its_order(table: str) -> None:
    (row,) = re.findall(rf"^\| `{table}` \| [^|]+ \| (.+) \|$", TEXT, re.MULTILINE)
    names = [heading.name for heading in exporting.TABLES[table]]
    plain = [name for name in names if not name.startswith(("c2s_", "s2c_"))]

    assert [name for name in re.findall(r"`([^`]+)`", row) if "…" not in name] == plain
