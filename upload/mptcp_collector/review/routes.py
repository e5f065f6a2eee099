"""The pages: every value is escaped by the template engine, and no script may run."""

import datetime as dt
import json
from typing import Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import Response

from mptcp_collector.api.asking import Here, RunId
from mptcp_collector.problem import Problem
from mptcp_collector.review.asked import PAGE_RUNS, asked

router = APIRouter(include_in_schema=False)

_POLICY: Final = (
    "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none';"
    " frame-ancestors 'none'"
)
_HEADERS: Final = {
    "Content-Security-Policy": _POLICY,
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_DEEPEST_ROWS: Final = 2000


def _moment(time_ns: int) -> str:
    return dt.datetime.fromtimestamp(time_ns // 10**9, tz=dt.UTC).strftime("%Y-%m-%d %H:%M UTC")


def _words(name: str) -> str:
    return name.replace("_", " ")


_environment = Environment(
    loader=PackageLoader("mptcp_collector.review"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_environment.filters |= {"moment": _moment, "words": _words}


def _page(template: str, status: int = 200, **values: Any) -> Response:  # noqa: ANN401 - any value
    text = _environment.get_template(template).render(values)
    return Response(text, status, media_type="text/html; charset=utf-8", headers=_HEADERS)


@router.get("/style.css")
def style() -> Response:
    """Return the one style sheet."""
    text = _environment.get_template("style.css").render()
    return Response(text, media_type="text/css", headers={"Cache-Control": "max-age=3600"})


@router.get("/")
@router.get("/runs")
def runs(request: Request, here: Here) -> Response:
    """List runs, newest first."""
    ask = asked(request.query_params)
    total, page = here.receiving.meta.runs(ask.wanted)
    last = max(1, -(-total // PAGE_RUNS))
    links = {
        name: "/runs?" + urlencode({**{k: v for k, v in ask.form.items() if v}, "page": number})
        for name, number in (("newer", ask.page - 1), ("older", ask.page + 1))
        if 1 <= number <= last
    }
    return _page("runs.html.j2", ask=ask, total=total, runs=page, last=last, links=links)


@router.get("/runs/{run_id}")
def run(run_id: RunId, here: Here) -> Response:
    """Show what is known of a run."""
    found = here.receiving.run(run_id)
    verdicts = here.receiving.meta.verdicts(run_id)
    newest = verdicts[0] if verdicts else None
    return _page(
        "run.html.j2",
        run=found,
        verdicts=verdicts,
        newest=newest,
        rows=_finding_rows(newest.report) if newest else [],
        actions=here.receiving.meta.audit(run_id),
    )


def problem_page(problem: Problem) -> Response:
    """Return a refusal for people."""
    title = json.loads(problem.octets())["title"]
    return _page("problem.html.j2", problem.status, title=title, detail=problem.detail)


def _finding_rows(report: str) -> list[dict[str, str]] | None:
    """Return what a report has seen, as text; none if it is no report: silence is not health."""
    try:
        findings = json.loads(report)["findings"]
        seen = [one for one in findings if one["state"] == "seen"]
        return [
            {
                "behaviour": str(one["behaviour"]),
                "direction": str(one.get("direction", "")),
                "confidence": str(one.get("confidence", "")),
                "because": str(one.get("because", "")),
                "evidence": ", ".join(
                    f"{at['side']} frame {at['frame']}" for at in one.get("evidence", ())
                ),
            }
            for one in seen[:_DEEPEST_ROWS]
        ]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
