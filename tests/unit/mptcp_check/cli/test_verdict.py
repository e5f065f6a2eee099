import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from rich.table import Table
from rich.text import Text

from mptcp_check.analysis.reporting import matrix
from mptcp_check.cli import table, verdict
from mptcp_check.cli.exchange_words import glimpse_text
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
        "because": "so",
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


def test_the_end_of_a_run_leads_from_the_sentence_to_the_table_to_the_proof() -> None:
    said = printed(verdict.show, run_document("fell_back_at_handshake", []), where="/runs/x")

    places = [
        said.index(words)
        for words in (
            "Something removed",
            "↓ TCP 1/1",
            "TCP at handshake: so (http download :80, 2 paths)",
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


def lines_of(shown: Table, width: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width)
    console.print(shown)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


@pytest.mark.parametrize("width", [80, 120])
def test_twenty_applications_under_every_condition_fit_the_terminal(width: int) -> None:
    exchanges = plan(["http"], Depth.FULL)
    rows = [
        {**table.plain(e), "app": f"{name}", "outcome": "corrupted", "because": "so"}
        for name in ("websocket", *(f"app{n}" for n in range(19)))
        for e in exchanges
    ]
    rows = [{**row, "handover": row["handover"] and {"upset": "path_lost"}} for row in rows]
    lines = lines_of(table.table(matrix.matrix(rows, {}), width=width), width)

    assert all(len(line.rstrip()) <= width for line in lines)
    assert not any("…" in line for line in lines)
    assert len([line for line in lines if "✗" in line]) == 20
    for title in matrix.ORDER:
        assert any(title in line for line in lines[:2])


def test_a_run_that_goes_on_shows_how_many_of_each_kind_are_done() -> None:
    exchanges = plan(["http", "ftp"], Depth.QUICK)
    done = {exchanges[0].id: Text("✓ TCP"), exchanges[1].id: Text("↓ fell back")}
    shown = table.progress_table(exchanges, done, running=exchanges[2].id, width=20)

    head, http, ftp = (line.split() for line in lines_of(shown, 20))
    assert head == ["TCP", "2", "paths"]
    assert http == ["http", "▸", "1/2", "↓", "1/2"]
    assert ftp == ["ftp", "·", "1", "·", "1"]


def test_a_second_try_says_that_it_is_one() -> None:
    control = plan(["http"], Depth.QUICK)[0]
    glimpse = Glimpse(
        arrived=True, over_mptcp=False, subflow_count=1, duration_ns=1, trouble="", attempt=2
    )
    assert glimpse_text(control, glimpse).plain == "✓ TCP, try 2"


def test_every_deviation_is_told_once_with_its_tries() -> None:
    document = run_document("unstable", [])
    tries = [{"outcome": "hung", "because": "a"}, {"outcome": "mptcp", "because": "b"}]
    document["exchanges"] = [{**document["exchanges"][0], "tries": tries}] * 5
    said = printed(verdict.show, document, where="/runs/x")

    assert said.count("~ unstable") == 1
    assert "and 2 more" in said
    assert "try 1: hung: a" in said
    assert "try 2: Multipath TCP: b" in said


def test_a_glimpse_never_calls_a_fallback_mptcp() -> None:
    control, mptcp = plan(["http"], Depth.QUICK)[:2]
    good = {"arrived": True, "duration_ns": 1, "trouble": "", "subflow_count": 2}

    assert "TCP" in glimpse_text(control, Glimpse(over_mptcp=False, **good)).plain  # type: ignore[arg-type]
    assert "fell back" in glimpse_text(mptcp, Glimpse(over_mptcp=False, **good)).plain  # type: ignore[arg-type]
    assert "2 subflows" in glimpse_text(mptcp, Glimpse(over_mptcp=True, **good)).plain  # type: ignore[arg-type]
    lost = Glimpse(
        arrived=False, over_mptcp=True, duration_ns=1, trouble="9 of 10 bytes", subflow_count=2
    )
    assert "9 of 10 bytes" in glimpse_text(mptcp, lost).plain
