"""The pages: lists of runs, a run, what newer rules changed."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import RedirectResponse, Response

from mptcp_check.model import Side
from mptcp_collector.api.asking import Here, Reviewing, RunId
from mptcp_collector.collector import Collector
from mptcp_collector.jobs.whose_verdict import SERVER
from mptcp_collector.meta.records import Run, Verdict
from mptcp_collector.problem import ProblemError
from mptcp_collector.review import downloads, page, server_half
from mptcp_collector.review.asked import PAGE_RUNS, asked
from mptcp_collector.review.report_view import drawn

router = APIRouter(include_in_schema=False)

LONGEST_RULES: Final = 64


def public_at_ns(here: Collector, *, reviewing: bool) -> int | None:
    """Return the time at which something must be public to be shown; None: everything is."""
    return None if reviewing else here.receiving.wall_ns()


@router.get("/style.css")
def style() -> Response:
    """Return the one style sheet."""
    headers = {"Cache-Control": "max-age=3600"}
    return Response(page.text("style.css"), media_type="text/css", headers=headers)


@router.get("/icon.svg")
def icon() -> Response:
    """Return the picture that stands beside the title in a browser."""
    headers = {"Cache-Control": "max-age=86400"}
    return Response(page.text("icon.svg"), media_type="image/svg+xml", headers=headers)


@router.get("/review")
def review(*, reviewing: Reviewing) -> Response:
    """Ask for the reviewers' token, by a browser's own form; then everything is listed."""
    if reviewing:
        return RedirectResponse("/runs", status_code=303)
    answer = page.of("review.html.j2", 401, reviewer=False, reviewers=True)
    # RFC 7617: the browser sends it with every page of this site from now on
    answer.headers["WWW-Authenticate"] = 'Basic realm="reviewers", charset="UTF-8"'
    return answer


@router.get("/")
@router.get("/runs")
def runs(request: Request, here: Here, *, reviewing: Reviewing) -> Response:
    """List runs, newest first."""
    ask = asked(request.query_params)
    public_ns = public_at_ns(here, reviewing=reviewing)
    meta, now_ns = here.receiving.meta, here.receiving.wall_ns()
    number = ask.page
    total, listed = meta.runs(ask.at(number, public_at_ns=public_ns))
    last = max(1, -(-total // PAGE_RUNS))
    if number > last:  # some were deleted since the link was made
        number = last
        total, listed = meta.runs(ask.at(number, public_at_ns=public_ns))
    return page.of(
        "runs.html.j2",
        ask=ask,
        facets=meta.facets(public_ns),
        total=total,
        runs=[
            {
                "run": one.run,
                "outcome": one.outcome,
                "behaviours": one.behaviours,
                "marks": one.marks,
                "networks": sorted(
                    one.marks.get("network", ()), key=lambda n: (n not in page.NETWORKS, n)
                ),
                "public": one.run.public(now_ns),
            }
            for one in listed
        ],
        page=number,
        last=last,
        links={
            "newer": ask.link(number - 1) if number > 1 else "",
            "older": ask.link(number + 1) if number < last else "",
        },
        **_who(here, reviewing=reviewing),
    )


@router.get("/runs/{run_id}")
def run(
    run_id: RunId,
    here: Here,
    *,
    reviewing: Reviewing,
    rules: Annotated[str, Query(max_length=LONGEST_RULES)] = "",
) -> Response:
    """Show what is known of a run; who has its address may see it."""
    found = here.receiving.run(run_id)
    verdicts = here.receiving.meta.verdicts(run_id)
    chosen = _chosen(verdicts, rules)
    capture = here.receiving.meta.server_capture(run_id)
    may = downloads.may_download(found, here, reviewing=reviewing)
    return page.of(
        "run.html.j2",
        run=found,
        verdicts=verdicts,
        newest=verdicts[0] if verdicts else None,
        chosen=chosen,
        with_server=chosen is not None and chosen.rules_version.startswith(SERVER),
        chosen_is_newest=not verdicts or chosen == verdicts[0],
        shown=drawn(chosen.report) if chosen else None,
        files=list(downloads.files(found, capture, chosen, may=may)),
        may_download=may,
        seen_by=_seen_by(found, here.receiving.wall_ns()),
        capture=server_half.words(
            capture, verdicts, both_brought=Side.SERVER.value in found.captures.split()
        )
        if capture
        else "",
        actions=here.receiving.meta.audit(run_id),
        **_who(here, reviewing=reviewing),
    )


@router.get("/changes")
def newest_changes(here: Here, *, reviewing: Reviewing) -> Response:
    """Show what the newest rules see otherwise."""
    return _changes(here, 0, reviewing=reviewing)


@router.get("/changes/{number}")
def changes(
    number: Annotated[int, Path(ge=1, le=2**31)], here: Here, *, reviewing: Reviewing
) -> Response:
    """Show what rules changed once."""
    return _changes(here, number, reviewing=reviewing)


def _changes(here: Collector, number: int, *, reviewing: bool) -> Response:
    every = here.receiving.meta.reanalyses()
    chosen = next((one for one in every if number in (0, one.id)), None)
    if chosen is None and number:
        raise ProblemError("not_found")
    public_ns = public_at_ns(here, reviewing=reviewing)
    found = here.receiving.meta.changes(chosen.id, public_ns) if chosen else ()
    who = _who(here, reviewing=reviewing)
    return page.of("changes.html.j2", all=every, chosen=chosen, changes=found, **who)


def _who(here: Collector, *, reviewing: bool) -> dict[str, Any]:
    return {"reviewer": reviewing, "reviewers": bool(here.reviewer_sha256)}


def _chosen(verdicts: Any, rules: str) -> Verdict | None:  # noqa: ANN401 - a sequence of them
    if not rules:
        return verdicts[0] if verdicts else None
    found: Verdict | None = next((one for one in verdicts if one.rules_version == rules), None)
    if found is None:
        raise ProblemError("not_found", "this run has no verdict by those rules")
    return found


def _seen_by(run: Run, now_ns: int) -> str:
    if run.publish_ns is None:
        return "who has this address; its user did not agree to publication"
    if not run.public(now_ns):
        return f"who has this address; everybody from {page.moment(run.publish_ns)} on"
    return "everybody"
