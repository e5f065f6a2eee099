import io
import json
from pathlib import Path
from typing import Any

from rich.console import Console

from mptcp_check.cli import table, verdict
from mptcp_check.exchanges.plan import Depth, plan
from mptcp_check.model import Outcome
from mptcp_check.watch import Glimpse

GOLDEN = Path(__file__).parents[3] / "golden"


def printed(show: Any, *arguments: Any, **named: Any) -> str:  # noqa: ANN401 - any of the two
    console = Console(file=io.StringIO(), width=120)
    show(console, *arguments, **named)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def run_document(outcome: str, troubles: list[str]) -> dict[str, Any]:
    report = json.loads((GOLDEN / "mp_capable_removed_from_syn" / "report.json").read_text())
    exchange = {
        "app": "http", "mode": None, "direction": "download", "transport": "mptcp", "paths": 2,
        "checksum": False, "family": "ipv4", "port": 80, "bytes": 9, "outcome": outcome,
    }  # fmt: skip
    return {
        "exchanges": [exchange],
        "summary": ["Something removed MP_CAPABLE."],
        "network": "embedded",
        "integrity": {"troubles": troubles},
        "report": report,
    }


def test_every_outcome_has_a_symbol_and_words_not_a_colour_alone() -> None:
    for outcome in Outcome:
        text = table.outcome_text(outcome).plain
        symbol, _, words = text.partition(" ")
        assert len(symbol) == 1
        assert words


def test_the_end_of_a_run_leads_from_the_table_to_the_sentence_to_the_proof() -> None:
    said = printed(verdict.show, run_document("fell_back_at_handshake", []), where="/runs/x")

    places = [
        said.index(words)
        for words in (
            "TCP at handshake",
            "Something removed",
            "frames client",
            "/runs/x/report.html",
        )
    ]
    assert places == sorted(places)
    assert "not the network you are on" in said
    assert "not to be trusted" not in said


def test_a_run_whose_captures_disagree_with_the_wire_says_that_it_is_not_to_be_trusted() -> None:
    document = run_document("mptcp", ["client eth0: 3 of 9 TCP frames are missing"])
    said = printed(verdict.show, document, where="/runs/x")

    assert "this run is not to be trusted: client eth0: 3 of 9" in said


def test_text_from_a_report_is_not_taken_for_markup() -> None:
    document = run_document("mptcp", [])
    document["summary"] = ["[bold]not[/bold] markup [/]"]

    assert "[bold]not[/bold] markup [/]" in printed(verdict.show, document, where="/runs/[x]")


def test_a_diagnosis_of_captures_alone_names_its_connections() -> None:
    report = json.loads((GOLDEN / "clean" / "report.json").read_text())
    said = printed(verdict.show_report, report)

    for connection in report["connections"]:
        assert f"{connection['client']} → {connection['server']}" in said
    assert "✓ MPTCP" in said


def test_the_table_has_a_row_per_transfer_and_a_column_per_transport() -> None:
    exchanges = plan(["http", "ftp"], Depth.DEFAULT)
    shown = table.table(exchanges, {})

    assert shown.row_count == 6
    assert len(shown.columns) == 1 + 5


def test_a_glimpse_never_calls_a_fallback_mptcp() -> None:
    control, mptcp = plan(["http"], Depth.QUICK)[:2]
    good = {"arrived": True, "duration_ns": 1, "trouble": "", "subflow_count": 2}

    assert "TCP" in table.glimpse_text(control, Glimpse(over_mptcp=False, **good)).plain  # type: ignore[arg-type]
    assert "fell back" in table.glimpse_text(mptcp, Glimpse(over_mptcp=False, **good)).plain  # type: ignore[arg-type]
    assert "2 subflows" in table.glimpse_text(mptcp, Glimpse(over_mptcp=True, **good)).plain  # type: ignore[arg-type]
    lost = Glimpse(
        arrived=False, over_mptcp=True, duration_ns=1, trouble="9 of 10 bytes", subflow_count=2
    )
    assert "9 of 10 bytes" in table.glimpse_text(mptcp, lost).plain
