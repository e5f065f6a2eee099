"""docs/options.md leads to what is there: functions, tests, and the figures that they name."""

import ast
import re
from pathlib import Path

import pytest

from mptcp_check.analysis.options import mptcp_values

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "docs" / "options.md").read_text(encoding="utf-8")
CODE = ROOT / "orchestrator" / "mptcp_check" / "analysis"
TESTS = ROOT / "tests" / "unit" / "mptcp_check" / "analysis"
LINKS = sorted(set(re.findall(r"`([a-z_/]+\.py):(\w+)`", TEXT)))
ROWS = re.findall(
    r"^\| (figure \d+), ([\d.]+) \| (?:(figure \d+), ([\d.]+) )?\|.+?:(\w+)`", TEXT, re.MULTILINE
)


@pytest.mark.parametrize(("module", "name"), LINKS)
def test_every_function_and_class_is_where_the_table_says(module: str, name: str) -> None:
    tree = ast.parse((CODE / module).read_text(encoding="utf-8"))
    defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}

    assert name in defined


def test_every_test_that_is_named_is_there() -> None:
    names = set(re.findall(r"`((?:[a-z]+/)?test_\w+\.py)`", TEXT))
    found = {path.name for path in TESTS.rglob("test_*.py")}

    assert len(names) >= 8
    for name in names:
        assert (TESTS / name).is_file() if "/" in name else name in found, name


@pytest.mark.parametrize(("figure", "section", "old", "old_section", "name"), ROWS)
def test_the_value_of_each_figure_names_figure_and_section(
    figure: str, section: str, old: str, old_section: str, name: str
) -> None:
    words = getattr(mptcp_values, name).__doc__

    assert figure in words
    assert f"section {section}" in words
    assert not old or old in words
    assert not old_section or f"section {old_section}" in words


def test_every_option_of_the_rfcs_has_its_row() -> None:
    assert [name for *_, name in ROWS] == [
        "MpCapable",
        "MpJoinSyn",
        "MpJoinSynAck",
        "MpJoinAck",
        "Dss",
        "MpPrio",
        "AddAddr",
        "RemoveAddr",
        "MpFastclose",
        "MpTcprst",
        "MpFail",
    ]
