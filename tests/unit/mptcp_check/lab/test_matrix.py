"""What a matrix plays, and how its answers are counted."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mptcp_check.lab import matrix
from mptcp_check.lab.case import Case, Circumstances
from mptcp_check.lab.matrix import NOTHING, Status, confusion, plan, score
from mptcp_check.model import Family, Side, Transport

ABOUT = {"tool_version": "0", "rules_version": "0", "kernel": "6", "started": "now"}


def answer(*named: str, acted_count: int = 1) -> dict[str, Any]:
    return {"named": list(named), "acted_count": acted_count}


def case(*behaviours: str, **around: Any) -> Case:  # noqa: ANN401 - of `Circumstances`
    return Case(behaviours=behaviours, circumstances=Circumstances(**around))


def test_every_behaviour_meets_every_circumstance_and_so_does_the_clean_path() -> None:
    cases, left_out = plan(["payload_altered"])

    assert len(cases) == len(set(cases)) == 2 * 16
    assert sum(not c.behaviours for c in cases) == 16
    assert left_out == ()
    around = {c.circumstances for c in cases}
    assert {(a.checksum, a.paths, a.first, a.family) for a in around} == {
        (checksum, paths, first, family)
        for checksum in (False, True)
        for paths in (1, 2)
        for first in Side
        for family in Family
    }


def test_what_cannot_show_is_left_out_with_its_reason() -> None:
    cases, left_out = plan(["mp_join_removed:removal=delete"])

    assert {c.circumstances.paths for c in cases if c.behaviours} == {2}
    assert len(left_out) == 8
    assert {(o.behaviour, o.circumstances.paths, o.reason) for o in left_out} == {
        ("mp_join_removed:removal=delete", 1, "with one subflow nobody joins")
    }


def test_each_seed_is_a_case_of_its_own() -> None:
    cases, _ = plan([], seeds=3, around=[Circumstances()])

    assert [c.seed for c in cases] == [0, 1, 2]


@pytest.mark.parametrize(
    ("played", "result", "status"),
    [
        ((), answer(), Status.RIGHT),
        ((), answer("payload_altered"), Status.WRONG),
        (("payload_altered",), answer("payload_altered"), Status.RIGHT),
        (("payload_altered:skip_count=3",), answer("payload_altered"), Status.RIGHT),
        (("payload_altered",), answer(), Status.MISSED),
        (("payload_altered",), answer("mp_join_removed"), Status.WRONG),
        (("payload_altered",), answer("payload_altered", "mp_join_removed"), Status.WRONG),
        (("payload_altered",), answer(acted_count=0), Status.IDLE),
        (("payload_altered",), answer("payload_altered", acted_count=0), Status.IDLE),
        (("link",), answer(acted_count=0), Status.RIGHT),
        (("link",), answer("payload_altered"), Status.WRONG),
        (("payload_altered",), {"error": "no"}, Status.FAILED),
    ],
)
def test_an_answer_is_worth_what_was_played(
    played: tuple[str, ...], result: dict[str, Any], status: Status
) -> None:
    assert score(case(*played), result).status is status


def test_recall_and_precision_are_counted_by_behaviour() -> None:
    counted = confusion(
        [
            score(case("payload_altered"), answer("payload_altered")),
            score(case("payload_altered", paths=1), answer()),
            score(case("mp_join_removed"), answer("mp_join_removed", "payload_altered")),
            score(case(), answer()),
            score(case("address_translated"), answer(acted_count=0)),
            score(case("address_translated"), {"error": "no"}),
        ]
    )

    assert counted.rows == {
        "payload_altered": {"payload_altered": 1, NOTHING: 1},
        "mp_join_removed": {"mp_join_removed": 1, "payload_altered": 1},
        "clean": {NOTHING: 1},
    }
    shares = {name: (r.part_count, r.of_count) for name, r in counted.recall.items()}
    assert shares == {"payload_altered": (1, 2), "mp_join_removed": (1, 1)}
    shares = {name: (r.part_count, r.of_count) for name, r in counted.precision.items()}
    assert shares == {"payload_altered": (1, 2), "mp_join_removed": (1, 1)}
    assert (counted.total_recall.value, counted.total_precision.value) == (2 / 3, 2 / 3)
    assert not counted.perfect


def test_nothing_played_has_no_recall() -> None:
    counted = confusion([])

    assert counted.total_recall.value is None
    assert counted.perfect


@given(
    st.lists(
        st.tuples(
            st.sampled_from([(), ("payload_altered",), ("mp_join_removed",), ("link",)]),
            st.sets(st.sampled_from(["payload_altered", "mp_join_removed", "address_translated"])),
            st.integers(0, 2),
        )
    )
)
def test_the_counts_fit_together(answers: list[tuple[tuple[str, ...], set[str], int]]) -> None:
    scored = [score(case(*p), answer(*sorted(n), acted_count=a)) for p, n, a in answers]
    counted = confusion(scored)

    assert sum(counted.statuses.values()) == len(scored)
    for name, rate in counted.precision.items():
        assert rate.of_count == sum(row.get(name, 0) for row in counted.rows.values()) > 0
    for name in counted.recall:
        own = sum(one.case.behaviours == (name,) for one in scored if one.status != Status.IDLE)
        assert counted.recall[name].of_count == own
        right = counted.precision[name].part_count if name in counted.precision else 0
        assert counted.recall[name].part_count == right
    assert counted.perfect == all(one.status is Status.RIGHT for one in scored)


def test_the_document_is_json_and_tells_what_was_not_played() -> None:
    cases, left_out = plan(["mp_join_removed"])
    scored = [score(c, answer(*c.behaviours)) for c in cases[:3]]

    document = json.loads(
        json.dumps(matrix.document(scored, left_out, planned_count=len(cases), about=ABOUT))
    )

    assert document["schema"] == "mptcp-check.matrix/1"
    assert (document["planned"], document["played"]) == (24, 3)
    assert document["statuses"]["right"] == 3
    assert document["confusion"] == {"clean": {"nothing": 3}}
    assert document["recall"]["total"] == {"part": 0, "of": 0, "value": None}
    assert len(document["not_applicable"]) == 8
    assert document["not_applicable"][0]["reason"] == "with one subflow nobody joins"
    assert [Case.of_json(c["case"]) for c in document["cases"]] == list(cases[:3])


def test_a_case_survives_json() -> None:
    first = Case(
        behaviours=("payload_altered:skip_count=3", "link"),
        circumstances=Circumstances(
            checksum=True,
            paths=1,
            first=Side.SERVER,
            family=Family.IPV6,
            transport=Transport.TCP,
        ),
        seed=7,
    )

    assert Case.of_json(json.loads(json.dumps(first.as_json()))) == first
