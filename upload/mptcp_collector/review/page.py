"""A page: every value is escaped by the template engine, and no script may run."""

import datetime as dt
from typing import Any, Final

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from starlette.responses import Response

from mptcp_check.analysis.reporting import report_html, report_text, words
from mptcp_check.catalogue import BEHAVIOURS
from mptcp_check.model import Outcome
from mptcp_collector.problem import Problem

_POLICY: Final = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none';"
    " frame-ancestors 'none'"
)
HEADERS: Final = {
    "Content-Security-Policy": _POLICY,
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}

NETWORKS: Final = {
    "embedded": "the tool's own small network",
    "bridged": "a real network, bridged",
    "routed": "a real network, routed",
}


def moment(time_ns: int) -> str:
    """Return a time of day: ``2026-11-21 08:00 UTC``."""
    return dt.datetime.fromtimestamp(time_ns // 10**9, tz=dt.UTC).strftime("%Y-%m-%d %H:%M UTC")


def outcome(name: str) -> words.OutcomeWords:
    """Return symbol, words and tone of an outcome; one that is not known here is its own word."""
    try:
        return words.OUTCOMES[Outcome(name)]
    except ValueError:
        return words.OutcomeWords(label=name, symbol="?", tone=words.Tone.QUIET, meaning="")


def behaviour(name: str) -> str:
    """Return what a behaviour is called."""
    if name in words.BEHAVIOURS:
        return words.BEHAVIOURS[name].title
    return BEHAVIOURS[name].meaning if name in BEHAVIOURS else name


def network(name: str) -> str:
    """Return what a network is called; one that has no name of its own is its addresses."""
    return NETWORKS.get(name, name)


_environment = Environment(
    loader=ChoiceLoader([PackageLoader("mptcp_collector.review"), report_html.TEMPLATES]),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_environment.filters.update(report_html.FILTERS)
_environment.filters |= {
    "moment": moment,
    "outcome": outcome,
    "behaviour": behaviour,
    "network_name": network,
    "value": report_text.value,
}


def text(template: str, **values: Any) -> str:  # noqa: ANN401 - any value
    """Return a template with its values, escaped."""
    return _environment.get_template(template).render(values)


def of(template: str, status: int = 200, **values: Any) -> Response:  # noqa: ANN401 - any value
    """Return a page of a template."""
    return Response(
        text(template, **values), status, media_type="text/html; charset=utf-8", headers=HEADERS
    )


def of_problem(problem: Problem) -> Response:
    """Return a refusal for people."""
    answer = of("problem.html.j2", problem.status, problem=problem)
    if problem.retry_after_s is not None:
        answer.headers["Retry-After"] = str(problem.retry_after_s)
    return answer
