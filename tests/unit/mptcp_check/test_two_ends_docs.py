"""docs/inspect.md names everything that two captures tell together."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from mptcp_check.analysis.one_way.values import FATE_WORDS, ClockEstimate, Fate, Spread, WayMetrics
from mptcp_check.analysis.tables import crossing_table

WHOLE = (Path(__file__).parents[3] / "docs" / "inspect.md").read_text(encoding="utf-8")
TEXT = WHOLE.partition("## `--server CAPTURE`")[2].partition("\n## ")[0]


def test_every_metric_has_its_line() -> None:
    named = re.findall(r"^\| `(\w+)` \| [^|]+ \|$", TEXT, re.MULTILINE)

    assert [name for name in named if name not in FATE_WORDS.values()] == [
        field.name for field in fields(WayMetrics)
    ]


@pytest.mark.parametrize("fate", Fate)
def test_every_fate_has_its_line(fate: Fate) -> None:
    (meaning,) = re.findall(rf"^\| `{FATE_WORDS[fate]}` \| (.+) \|$", TEXT, re.MULTILINE)

    assert meaning


@pytest.mark.parametrize("kind", [ClockEstimate, Spread])
def test_every_part_is_named(kind: type) -> None:
    for field in fields(kind):
        assert f"`{field.name}`" in TEXT


def test_every_column_is_named_in_its_order() -> None:
    (row,) = re.findall(r"^\| `crossings` \| [^|]+ \| (.+) \|$", TEXT, re.MULTILINE)

    assert re.findall(r"`([^`]+)`", row) == [h.name for h in crossing_table.HEADINGS]
