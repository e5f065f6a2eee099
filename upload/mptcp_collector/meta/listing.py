"""Lists of runs and what they can be chosen by, in SQL."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final

import sqlalchemy as sa

from mptcp_collector.meta import rows, tables
from mptcp_collector.meta.records import Listed, RunState, Wanted

FACETS: Final = ("outcome", "behaviour", "application", "port", "network")
FACET_VALUES_MAX: Final = 200

_R: Final = tables.runs
_V: Final = tables.verdicts
_F: Final = tables.findings
_M: Final = tables.marks


def page(db: sa.Connection, wanted: Wanted) -> tuple[int, Sequence[Listed]]:
    """Return how many runs there are, and a page of them, newest first."""
    chosen = _chosen(wanted)
    count = db.execute(sa.select(sa.func.count()).select_from(chosen.subquery()))
    total = int(count.scalar_one())
    ordered = chosen.order_by(_R.c.received_ns.desc(), _R.c.run_id)
    found = db.execute(ordered.offset(wanted.offset).limit(wanted.limit)).mappings().all()
    ids = [row["run_id"] for row in found]
    behaviours = _grouped(db, _behaviours(ids))
    marks: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    own = sa.select(_M).where(_M.c.run_id.in_(ids)).order_by(_M.c.kind, _M.c.value)
    for run_id, kind, value in db.execute(own):
        marks[run_id][kind].append(value)
    return total, [
        Listed(
            run=rows.run_of(row),
            outcome=str(row["outcome"] or ""),
            behaviours=tuple(behaviours.get(row["run_id"], ())),
            marks={kind: tuple(values) for kind, values in marks[row["run_id"]].items()},
        )
        for row in found
    ]


def facets(db: sa.Connection, public_at_ns: int | None) -> dict[str, list[tuple[str, int]]]:
    """Return what runs can be chosen by: value and number of runs, the most frequent first."""
    live = _live(public_at_ns)
    newest = sa.and_(_V.c.run_id == _R.c.run_id, _V.c.newest)
    of_finding = sa.and_(
        _F.c.run_id == _V.c.run_id, _F.c.rules_version == _V.c.rules_version, _F.c.state == "seen"
    )
    number = sa.func.count(sa.distinct(_R.c.run_id))
    outcomes = sa.select(_V.c.outcome, number).join_from(_R, _V, newest).group_by(_V.c.outcome)
    behaviours = (
        sa.select(_F.c.behaviour, number)
        .select_from(_R.join(_V, newest).join(_F, of_finding))
        .group_by(_F.c.behaviour)
    )
    asked: dict[str, sa.Select[Any]] = {"outcome": outcomes, "behaviour": behaviours}
    for kind in FACETS[2:]:
        own = sa.and_(_M.c.run_id == _R.c.run_id, _M.c.kind == kind)
        asked[kind] = sa.select(_M.c.value, number).join_from(_R, _M, own).group_by(_M.c.value)
    found = {}
    for name, select in asked.items():
        ordered = select.where(*live).order_by(number.desc(), select.selected_columns[0])
        counted = db.execute(ordered.limit(FACET_VALUES_MAX))
        found[name] = [(str(value), int(count)) for value, count in counted]
    return found


def _live(public_at_ns: int | None) -> list[sa.ColumnElement[bool]]:
    conditions: list[sa.ColumnElement[bool]] = [_R.c.state != RunState.DELETED.value]
    if public_at_ns is not None:
        conditions.append(_R.c.publish_ns <= public_at_ns)
    return conditions


def _chosen(wanted: Wanted) -> sa.Select[Any]:
    conditions = [
        *_live(wanted.public_at_ns),
        _R.c.received_ns >= wanted.since_ns,
        _R.c.received_ns < wanted.until_ns,
    ]
    if wanted.outcome:
        conditions.append(_V.c.outcome == wanted.outcome)
    places = {"application": wanted.application, "port": str(wanted.port or "")}
    if wanted.behaviour:
        # of one finding: seen there, and not only somewhere else in the same run
        of_finding = [_F.c.behaviour == wanted.behaviour, _F.c.state == "seen"]
        of_finding += [_F.c.application == wanted.application] if wanted.application else []
        of_finding += [_F.c.port == wanted.port] if wanted.port else []
        newest = sa.and_(_F.c.run_id == _R.c.run_id, _F.c.rules_version == _V.c.rules_version)
        conditions.append(sa.exists().where(newest, *of_finding).correlate(_R, _V))
        places = {}
    for kind, value in {**places, "network": wanted.network}.items():
        if value:
            own = sa.and_(_M.c.run_id == _R.c.run_id, _M.c.kind == kind, _M.c.value == value)
            conditions.append(sa.exists().where(own).correlate(_R))
    joined = _R.outerjoin(_V, sa.and_(_V.c.run_id == _R.c.run_id, _V.c.newest))
    return sa.select(_R, _V.c.outcome).select_from(joined).where(*conditions)


def _behaviours(ids: Sequence[str]) -> sa.Select[Any]:
    newest = sa.and_(_V.c.run_id == _F.c.run_id, _V.c.rules_version == _F.c.rules_version)
    return (
        sa.select(_F.c.run_id, _F.c.behaviour)
        .join_from(_F, _V, newest)
        .where(_F.c.run_id.in_(ids), _V.c.newest, _F.c.state == "seen")
        .distinct()
        .order_by(_F.c.run_id, _F.c.behaviour)
    )


def _grouped(db: sa.Connection, select: sa.Select[Any]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for key, value in db.execute(select):
        found[key].append(value)
    return found
