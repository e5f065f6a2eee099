"""How a run ends on the terminal: the sentence, the table, what deviated, and where the rest is."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.panel import Panel
from rich.text import Text

from mptcp_check.analysis.reporting import amounts, matrix, network_words
from mptcp_check.cli import table
from mptcp_check.model import Outcome, State

MOST_FRAMES = 4
"""How many evidence frames a line names; the report has them all."""

MOST_DEVIATIONS = 6
MOST_PLACES = 3
"""How many kinds of deviations the terminal tells of, and how many exchanges of each."""

GOOD = frozenset({Outcome.MPTCP, Outcome.TCP, Outcome.TCP_BROKE})
WORST = frozenset({Outcome.CORRUPTED, Outcome.HUNG})


def show(console: Console, document: Mapping[str, Any], *, where: str) -> None:
    """Print a run.

    Args:
        console: Standard error.
        document: `mptcp-check.run/1`.
        where: The run's folder.
    """
    outcomes = [Outcome(e["outcome"]) for e in document["exchanges"]]
    sentences: Sequence[str] = document["summary"]
    console.print(Panel(Text("\n".join(sentences)), border_style=_colour(outcomes), expand=False))
    found = matrix.matrix(document["exchanges"], document.get("applications", {}))
    console.print(table.table(found, width=console.width))
    if any(cell and not cell.is_good for row in found.rows for cell in row.cells):
        console.print(Padding(Text(table.LEGEND, style="dim"), (1, 0, 1, 2)))
    elif console.width < table.WIDE:
        console.print()
    for line in _deviations(document["exchanges"]):
        console.print(Padding(line, (0, 0, 0, 2)))
    for told in matrix.handovers(document["exchanges"]):
        console.print(Padding(Text(f"⇄ {told.sentence()}"), (0, 0, 0, 2)))
    for line in _findings(document["report"]["findings"]):
        console.print(Padding(line, (0, 0, 0, 2)))
    for sentence in (*network_words.sentences(document), *amounts.sentences(document)):
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


def _deviations(exchanges: Sequence[Mapping[str, Any]]) -> Iterator[Text]:
    """Tell what did not go as it should, each thing once; the report has all of it."""
    every = matrix.deviations(exchanges)
    for one in every[:MOST_DEVIATIONS]:
        symbol, said, style = table.OUTCOMES[one.outcome]
        more = len(one.where) - MOST_PLACES
        places = "; ".join(one.where[:MOST_PLACES]) + (f"; and {more} more" if more > 0 else "")
        yield Text.assemble(
            (f"{symbol} {said}", style), f": {one.because} ", (f"({places})", "dim")
        )
        for number, met in enumerate(one.tries, 1):
            yield Text(f"    try {number}: {met}", style="dim")
    if len(every) > MOST_DEVIATIONS:
        yield Text(f"and {len(every) - MOST_DEVIATIONS} more kinds, in the report", style="dim")


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
