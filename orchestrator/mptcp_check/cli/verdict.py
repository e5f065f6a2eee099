"""How a run ends on the terminal: the table, the sentence, its proof, and where the rest is."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.panel import Panel
from rich.text import Text

from mptcp_check.analysis.reporting import network_words
from mptcp_check.cli import table
from mptcp_check.model import Exchange, Family, Outcome, State, Transfer, Transport

MOST_FRAMES = 4
"""How many evidence frames a line names; the report has them all."""

GOOD = frozenset({Outcome.MPTCP, Outcome.TCP})
WORST = frozenset({Outcome.CORRUPTED, Outcome.HUNG})


def show(console: Console, document: Mapping[str, Any], *, where: str) -> None:
    """Print a run.

    Args:
        console: Standard error.
        document: `mptcp-check.run/1`.
        where: The run's folder.
    """
    exchanges = [_exchange(index, e) for index, e in enumerate(document["exchanges"])]
    outcomes = [Outcome(e["outcome"]) for e in document["exchanges"]]
    cells = {i: table.outcome_text(o) for i, o in enumerate(outcomes)}
    console.print(table.table(exchanges, cells))
    sentences: Sequence[str] = document["summary"]
    console.print(Panel(Text("\n".join(sentences)), border_style=_colour(outcomes), expand=False))
    for line in _findings(document["report"]["findings"]):
        console.print(Padding(line, (0, 0, 0, 2)))
    for sentence in network_words.sentences(document):
        console.print(Text(sentence, style="dim"))
    for trouble in document["integrity"]["troubles"]:
        console.print(Text(f"✗ this run is not to be trusted: {trouble}", style="bold red"))
    console.print(Text.assemble(("report  ", "dim"), f"{where}/report.html"))
    console.print(Text.assemble(("folder  ", "dim"), where))


def show_report(console: Console, report: Mapping[str, Any]) -> None:
    """Print a diagnosis of captures alone: the sentences, then each connection, then the proof.

    Args:
        console: Standard error.
        report: `mptcp-check.report/1`.
    """
    outcomes = [Outcome(c["outcome"]) for c in report["connections"]]
    for connection, outcome in zip(report["connections"], outcomes, strict=True):
        ends = f"{connection['client']} → {connection['server']}"
        console.print(Text.assemble(f"  {ends}  ", table.outcome_text(outcome)))
    sentences: Sequence[str] = report["summary"]
    console.print(Panel(Text("\n".join(sentences)), border_style=_colour(outcomes), expand=False))
    for line in _findings(report["findings"]):
        console.print(Padding(line, (0, 0, 0, 2)))


def _colour(outcomes: Sequence[Outcome]) -> str:
    if any(o in WORST for o in outcomes):
        return "red"
    return "green" if all(o in GOOD for o in outcomes) else "yellow"


def _exchange(index: int, said: Mapping[str, Any]) -> Exchange:
    return Exchange(
        id=index,
        app=said["app"],
        mode=said.get("mode"),
        direction=Transfer(said["direction"]),
        transport=Transport(said["transport"]),
        checksum=said["checksum"],
        paths=said["paths"],
        family=Family(said["family"]),
        port=said["port"],
        payload_bytes=said["bytes"],
        deadline_s=0.0,
    )


def _findings(findings: Sequence[Mapping[str, Any]]) -> list[Text]:
    seen: dict[str, list[Mapping[str, Any]]] = {}
    for finding in findings:
        if finding["state"] == State.SEEN:
            seen.setdefault(finding["behaviour"], []).append(finding)
    return [_line(behaviour, found) for behaviour, found in seen.items()]


def _line(behaviour: str, found: Sequence[Mapping[str, Any]]) -> Text:
    count = f"{len(found)} connection{'s' if len(found) != 1 else ''}"
    first = found[0]
    frames = [f"{e['side']} {e['frame']}" for e in first["evidence"]]
    more = " …" if len(frames) > MOST_FRAMES else ""
    proof = f"e.g. frames {', '.join(frames[:MOST_FRAMES])}{more}" if frames else ""
    return Text.assemble(
        ("● ", "yellow"), (behaviour, "bold"), f"  in {count}: {first['because']}  ", (proof, "dim")
    )
