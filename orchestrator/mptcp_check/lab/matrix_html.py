"""A matrix as one page with nothing from elsewhere: confusion matrix and cases; PURE."""

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

import jinja2

from mptcp_check.lab.case import CLEAN, Case
from mptcp_check.lab.expectations import expectation
from mptcp_check.lab.matrix import NOTHING, Status

_TEMPLATE: Final = "matrix.html.j2"


def render(document: Mapping[str, Any]) -> str:
    """Return the page of a `mptcp-check.matrix/1` document."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(__package__, "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    rows = document["confusion"]
    named = {name for row in rows.values() for name in row} - {NOTHING}
    order = [*(name for name in rows if name in named), *sorted(named - set(rows)), NOTHING]
    cases = [_case(place, case) for place, case in enumerate(document["cases"])]
    return environment.get_template(_TEMPLATE).render(
        document=document,
        columns=order,
        right={name: _right(name) for name in rows},
        cases=cases,
        mistakes=[case for case in cases if case["status"] != Status.RIGHT],
        left_out=_left_out(document),
        groups=_groups(document),
        statuses=[s.value for s in Status],
        nothing=NOTHING,
    )


def _right(row: str) -> frozenset[str]:
    """Return the columns that are right for a row; of what accuses nobody it is `NOTHING`."""
    each = [expectation(name) for name in row.split("+") if name != CLEAN]
    names = frozenset().union(*(e.names | e.also for e in each))
    return names if any(e.names for e in each) else names | {NOTHING}


def _case(place: int, said: Mapping[str, Any]) -> dict[str, Any]:
    case = Case.of_json(said["case"])
    arrived = said.get("arrived", {})
    return {
        "anchor": f"case-{place}",
        "row": said["row"],
        "name": case.name,
        "circumstances": case.circumstances.words(),
        "seed": case.seed,
        "status": said["status"],
        "named": [
            {"behaviour": name, "because": said.get("because", {}).get(name, "")}
            for name in said.get("named", ())
        ],
        "outcome": said.get("outcome", "").replace("_", " "),
        "arrived": ", ".join(
            f"from the {s} {'whole' if ok else 'not whole'}" for s, ok in arrived.items()
        ),
        "duration": f"{said['duration_ns'] / 1e9:.2f} s" if "duration_ns" in said else "",
        "error": said.get("error", ""),
        "directory": said.get("directory") or "",
    }


def _left_out(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what was not played, once for each behaviour and reason."""
    counts = Counter((one["behaviour"], one["reason"]) for one in document["not_applicable"])
    return [
        {"behaviour": behaviour, "reason": reason, "count": count}
        for (behaviour, reason), count in counts.items()
    ]


def _groups(document: Mapping[str, Any]) -> dict[str, str]:
    """Return the first case of each cell, ``ROW/COLUMN`` -> anchor: where a cell links to."""
    found: dict[str, str] = {}
    for place, case in enumerate(document["cases"]):
        for column in case.get("named") or [NOTHING]:
            found.setdefault(f"{case['row']}/{column}", f"case-{place}")
    return found
