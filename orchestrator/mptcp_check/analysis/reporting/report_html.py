"""Draw a run's document, or a diagnosis alone, as one HTML file that opens anywhere, offline.

Others draw the same inside pages of their own: from `TEMPLATES`, with `FILTERS` and `values`.

Everything is in the file: no script, no font, no image from elsewhere.  Whatever stands in the
document is text: Jinja escapes it, so a hostile banner of a server stays a string.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

import jinja2

from mptcp_check.analysis.reporting import amounts, matrix, network_words, report_text, words
from mptcp_check.analysis.reporting.packet_difference import side_by_side
from mptcp_check.catalogue import BEHAVIOURS
from mptcp_check.model import Direction, Outcome, State

TEMPLATES: Final = jinja2.PackageLoader("mptcp_check.analysis.reporting", "templates")
"""``report_banner.html.j2`` and ``report_sections.html.j2`` are the report without its frame."""

FILTERS: Final[Mapping[str, Callable[[Any], str]]] = {
    "bytes": report_text.byte_count,
    "seconds": report_text.seconds,
    "clock": report_text.time_of_day,
    "number": report_text.grouped,
    "label": report_text.label,
}

_ENVIRONMENT: Final = jinja2.Environment(
    loader=TEMPLATES,
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_ENVIRONMENT.filters.update(FILTERS)

_WORST_FIRST: Final = (words.Tone.BAD, words.Tone.NOTE, words.Tone.GOOD, words.Tone.QUIET)


def render(document: Mapping[str, Any]) -> str:
    """Return the report as HTML.

    Args:
        document: ``mptcp-check.run/1``, or ``mptcp-check.report/1`` of a diagnosis alone.
    """
    return _ENVIRONMENT.get_template("report.html.j2").render(values(document))


def values(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the templates show of a document.

    Args:
        document: As of `render`.
    """
    report = document.get("report", document)
    connections = {row["id"]: row for row in report["connections"]}
    exchanges = document.get("exchanges", ())
    return {
        "title": _title(document),
        "outcome": words.OUTCOMES[Outcome(report["outcome"])],
        "summary": document.get("summary") or report["summary"],
        "document": document,
        "report": report,
        "exchanges": [_exchange(row) for row in exchanges],
        "matrix": _matrix(document),
        "deviations": [
            {**asdict(one), "shown": words.OUTCOMES[one.outcome]}
            for one in matrix.deviations(exchanges)
        ],
        "handovers": matrix.handovers(exchanges),
        "causes": list(_causes(report, connections, exchanges)),
        "looked_for": list(_grouped(list(_looked_for(report)))),
        "behaviours_count": len(BEHAVIOURS),
        "connections": [_connection(row) for row in report["connections"]],
        "provenance": list(_provenance(document)),
        "network": {
            "chip": network_words.chip(document),
            "sentences": [*network_words.sentences(document), *amounts.sentences(document)],
        },
    }


def _title(document: Mapping[str, Any]) -> str:
    return f"Run {document['run_id']}" if document.get("run_id") else "Diagnosis of captures"


def _matrix(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the table of applications and conditions, each cell with its words."""
    found = matrix.matrix(document.get("exchanges", ()), document.get("applications", {}))
    cells = [cell for row in found.rows for cell in row.cells if cell is not None]
    met = dict.fromkeys(cell.worst for cell in cells if not cell.is_good)
    return {
        "met": [{**asdict(words.OUTCOMES[o]), "short": words.SHORT.get(o, "")} for o in met],
        "columns": found.columns,
        "rows": [
            {"title": row.title, "cells": [_cell(cell) for cell in row.cells]} for row in found.rows
        ],
    }


def _cell(cell: matrix.Cell | None) -> dict[str, Any] | None:
    if cell is None:
        return None
    shown = words.OUTCOMES[Outcome.MPTCP if cell.is_good else cell.worst]
    short = words.SHORT.get(cell.worst, "")
    return {**asdict(cell), "is_good": cell.is_good, "shown": shown, "short": short}


def _exchange(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "handover": None,
        **row,
        "shown": words.OUTCOMES[Outcome(row["outcome"])],
        "how": matrix.transported(row),
        "several": matrix.tries(row),
    }


def _connection(row: Mapping[str, Any]) -> dict[str, Any]:
    return {**row, "shown": words.OUTCOMES[Outcome(row["outcome"])]}


def _causes(
    report: Mapping[str, Any],
    connections: Mapping[int, Mapping[str, Any]],
    exchanges: Sequence[Mapping[str, Any]],
) -> Iterator[dict[str, Any]]:
    """Yield each behaviour that was seen, the worst first, with its places and its evidence."""
    packets = {(p["side"], p["frame"]): p for p in report["packets"]}
    seen: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for finding in report["findings"]:
        if finding["state"] == State.SEEN and finding["explained_by"] is None:
            seen[finding["behaviour"]].append(finding)
    for behaviour in sorted(seen, key=lambda b: _WORST_FIRST.index(_words(b).tone)):
        found, known = seen[behaviour], _words(behaviour)
        first = found[0]
        names = _machines(first)
        yield {
            "id": behaviour,
            "words": known,
            "happened": known.happened.format(**names),
            "means": known.means.format(**names),
            "advice": known.advice.format(**names),
            "found": found,
            "first": first,
            "direction": words.DIRECTIONS.get(Direction(first["direction"]))
            if first["direction"]
            else None,
            "ports": sorted(
                {_port(connections.get(f["connection"])) for f in found},
                key=lambda port: (len(port), port),  # as numbers: 80 before 443
            ),
            "exchanges": _concerned(found, exchanges),
            "pairs": side_by_side(
                first["evidence"], packets, _outgoing(connections.get(first["connection"]))
            ),
            "consequences": _consequences(report, found),
            "source": BEHAVIOURS[behaviour].source if behaviour in BEHAVIOURS else "",
        }


def _outgoing(connection: Mapping[str, Any] | None) -> Callable[[Mapping[str, Any]], bool]:
    """Return what tells of a connection's segments whether the machine at the capture sent them."""
    subflows = connection["subflows"] if connection else ()
    clients: set[tuple[str, str]] = {
        (side, ends["client"]) for subflow in subflows for side, ends in subflow["ends"].items()
    }
    home = connection["opened_at"] if connection else "client"

    def outgoing(packet: Mapping[str, Any]) -> bool:
        by_client = (packet["side"], packet["source"]) in clients
        return by_client is bool(packet["side"] == home)

    return outgoing


def _consequences(
    report: Mapping[str, Any], causes: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Return what a cause made others see, each behaviour once, with its first finding."""
    findings = report["findings"]
    own = {id(cause) for cause in causes}
    first: dict[str, dict[str, Any]] = {}
    for finding in findings:
        cause = finding["explained_by"]
        if finding["state"] == State.SEEN and cause is not None and id(findings[cause]) in own:
            title = _words(finding["behaviour"]).title
            row = first.setdefault(finding["behaviour"], {"title": title, "first": finding, "n": 0})
            row["n"] += 1
    return list(first.values())


def _words(behaviour: str) -> words.BehaviourWords:
    """Return what is said of a behaviour; one without words of its own gets the catalogue's."""
    known = words.BEHAVIOURS.get(behaviour)
    if known is not None:
        return known
    entry = BEHAVIOURS.get(behaviour)
    meaning = entry.meaning if entry else behaviour
    return words.BehaviourWords(
        title=behaviour,
        short=meaning,
        happened=f"The path {meaning}.",
        means=entry.consequence if entry else "",
        advice="",
        tone=words.Tone.NOTE,
    )


def _machines(finding: Mapping[str, Any]) -> dict[str, str]:
    """Return who sent and who received what the finding rests on: the order of its evidence."""
    sides = [e["side"] for e in finding["evidence"]]
    sender = sides[0] if sides else "client"
    receiver = "server" if sender == "client" else "client"
    return {"sender": words.MACHINES[sender], "receiver": words.MACHINES[receiver]}


def _port(connection: Mapping[str, Any] | None) -> str:
    return str((connection or {"server": ":?"})["server"]).rpartition(":")[2]


def _concerned(
    found: Sequence[Mapping[str, Any]], exchanges: Sequence[Mapping[str, Any]]
) -> list[int]:
    own = {f["connection"] for f in found}
    return [i for i, row in enumerate(exchanges, 1) if own & set(row["connections"])]


_GROUPS: Final = (
    ("Seen", State.SEEN),
    ("Looked for, and not there", State.NOT_SEEN),
    ("Could not be looked for in what was sent", State.NOT_MEASURED),
)
"""Each behaviour belongs to the first group whose state it has."""


def _grouped(rows: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield what was seen, what was not there, and what nothing could be said of; none empty."""
    states = [state for _, state in _GROUPS]
    state_of = {row["id"]: next(s for s in states if row["counts"][s]) for row in rows}
    for title, state in _GROUPS:
        own = [row for row in rows if state_of[row["id"]] is state]
        if own:
            yield {"title": title, "open": state is State.SEEN, "rows": own}


def _looked_for(report: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield each behaviour that has a detector with how often it said what."""
    rows: dict[str, dict[str, Any]] = {}
    for finding in report["findings"]:
        row = rows.setdefault(
            finding["behaviour"],
            {
                "id": finding["behaviour"],
                "meaning": BEHAVIOURS[finding["behaviour"]].meaning
                if finding["behaviour"] in BEHAVIOURS
                else "",
                "counts": dict.fromkeys((s.value for s in State), 0),
                "reasons": {},
            },
        )
        row["counts"][finding["state"]] += 1
        if finding["state"] == State.NOT_MEASURED:
            reasons = row["reasons"]
            reasons[finding["because"]] = reasons.get(finding["because"], 0) + 1
    yield from rows.values()


def _provenance(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    report = document.get("report", document)
    yield "Tool", str(report["tool_version"])
    yield "Rules", str(report["rules_version"])
    for key in ("machine", "accelerator", "network", "server", "started", "behind", "directory"):
        if document.get(key):
            yield report_text.label(key), report_text.value(document[key])
    if report["clock_offset_ns"] is not None:
        offset = report_text.seconds(report["clock_offset_ns"])
        yield "Clock of the server's capture", f"{offset} ahead, by the packets"
    yield from _flattened(document.get("provenance", {}))


def _flattened(values: Mapping[str, Any], *above: str) -> Iterable[tuple[str, str]]:
    """Yield nested values as label and text; what is nested is named after what it is in."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flattened(value, *above, str(key))
        else:
            yield report_text.label(" ".join((*above, str(key)))), report_text.value(value)
