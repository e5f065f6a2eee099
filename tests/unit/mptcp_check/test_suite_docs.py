"""docs/suite.md says what the tables say."""

from pathlib import Path

import pytest

from mptcp_check.exchanges import scopes
from mptcp_check.exchanges.conditions import HANDOVER_LASTS_S
from mptcp_check.exchanges.scopes import SCOPES, Depth
from mptcp_check.model import Upset

TEXT = (Path(__file__).parents[3] / "docs" / "suite.md").read_text()
SECTIONS = {
    depth: TEXT.split(f"### {title}\n", 1)[1].split("\n## ", 1)[0].split("\n### ", 1)[0]
    for depth, title in {
        Depth.QUICK: "`--quick`",
        Depth.DEFAULT: "Default",
        Depth.FULL: "`--full`",
        Depth.METERED: "`--metered`",
    }.items()
}


@pytest.mark.parametrize("depth", Depth)
def test_every_block_stands_in_its_table_with_its_reason(depth: Depth) -> None:
    rows = [line for line in SECTIONS[depth].splitlines() if line.startswith("| ")]
    reasons = [row.strip("| ").split(" | ")[-1] for row in rows if not row.startswith("| what ")]

    assert reasons == [block.why for block in SCOPES[depth].blocks]


def test_the_numbers_are_those_of_the_tables() -> None:
    mib = scopes.MIB
    assert f"an end at {scopes.METERED_CAP_BYTES / 1e6:g} MB" in TEXT
    assert f"stay below {scopes.QUICK_MOST_BYTES // 10**6} MB" in SECTIONS[Depth.QUICK]
    assert f"http, 64 KiB and {scopes.LARGE_BYTES // mib} MiB" in SECTIONS[Depth.FULL]
    assert f"http, {scopes.HANDOVER_BYTES // mib} MiB, both directions" in SECTIONS[Depth.FULL]
    assert f"goes away for {HANDOVER_LASTS_S:g} s" in TEXT
    for upset in Upset:
        assert upset.value.replace("_", " ") in TEXT
