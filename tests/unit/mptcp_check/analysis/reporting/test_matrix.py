"""A run on one screen."""

from typing import Any

import pytest

from mptcp_check.analysis.reporting import amounts, matrix, words
from mptcp_check.model import Joining, Outcome, Upset

ROW: dict[str, Any] = {
    "app": "http",
    "mode": None,
    "direction": "download",
    "transport": "mptcp",
    "checksum": False,
    "paths": 2,
    "joining": "subflow",
    "family": "ipv4",
    "port": 80,
    "outcome": "mptcp",
    "because": "so",
    "handover": None,
    "tries": [],
}
TCP = {**ROW, "transport": "tcp", "paths": 1, "outcome": "tcp"}
DOWN = {
    "upset": "interface_down",
    "done": True,
    "words": "the transfer paused 0.2 s, then went on over the other path",
}


@pytest.mark.parametrize(
    ("changed", "title"),
    [
        ({}, "2 paths"),
        ({"paths": 1}, "MPTCP"),
        ({"paths": 3}, "2 paths"),
        ({"checksum": True}, "checksum"),
        ({"family": "ipv6"}, "IPv6"),
        ({"family": "ipv6", "checksum": True}, "IPv6"),
        ({"joining": "backup"}, "backup"),
        ({"joining": "signal"}, "announced"),
        ({"joining": "other_family", "family": "ipv6"}, "v4+v6"),
        ({"joining": "backup", "paths": 1}, "MPTCP"),
        ({"handover": DOWN}, "handover"),
        ({"transport": "tcp"}, "TCP"),
        ({"transport": "tcp", "family": "ipv6"}, "TCP"),
        ({"transport": "tcp", "handover": DOWN}, None),
    ],
)
def test_each_exchange_belongs_to_one_column(changed: dict[str, Any], title: str | None) -> None:
    assert matrix.column_title({**ROW, **changed}) == title


def test_a_document_of_an_older_version_has_its_columns_too() -> None:
    old = {k: v for k, v in ROW.items() if k not in {"joining", "handover", "tries"}}
    assert matrix.column_title(old) == "2 paths"
    assert matrix.tries(old) == ()


def test_the_order_names_every_column_once() -> None:
    assert sorted(matrix.ORDER) == sorted(column.title for column in matrix.COLUMNS)


def test_a_cell_counts_and_shows_the_worst() -> None:
    found = matrix.matrix(
        [TCP, ROW, {**ROW, "outcome": "hung"}, {**ROW, "outcome": "mptcp_degraded"}],
        {"http": "Web"},
    )
    assert [column.title for column in found.columns] == ["TCP", "2 paths"]
    (row,) = found.rows
    control, paths = row.cells
    assert row.title == "Web"
    assert control is not None
    assert paths is not None
    assert (control.count, control.is_good) == (1, True)
    assert (paths.count, paths.good_count, paths.worst) == (3, 1, Outcome.HUNG)


def test_what_did_not_run_is_empty_and_not_good() -> None:
    found = matrix.matrix([TCP, {**ROW, "app": "ftp"}], {})
    assert [[cell is None for cell in row.cells] for row in found.rows] == [
        [False, True],
        [True, False],
    ]


def test_deviations_are_told_once_the_worst_first() -> None:
    slow = {**ROW, "outcome": "mptcp_degraded", "because": "1 of 2 subflows came about"}
    wrong = {**ROW, "outcome": "corrupted", "because": "other bytes", "checksum": True}
    found = matrix.deviations([ROW, TCP, slow, slow, wrong])

    assert [d.outcome for d in found] == [Outcome.CORRUPTED, Outcome.MPTCP_DEGRADED]
    assert len(found[1].where) == 2
    assert found[0].where == ("http download :80, 2 paths, checksum",)


def test_plain_tcp_that_breaks_in_a_handover_is_no_deviation() -> None:
    assert matrix.deviations([{**TCP, "outcome": "tcp_broke", "handover": DOWN}]) == ()


def test_a_handover_sets_both_transports_beside_each_other() -> None:
    tcp = {**TCP, "outcome": "tcp_broke", "handover": DOWN}
    (found,) = matrix.handovers([ROW, tcp, {**ROW, "handover": DOWN}])

    assert found.sentence() == (
        "Interface down and up (http download): plain TCP did not survive;"
        " Multipath TCP paused 0.2 s, then went on over the other path"
    )


def test_a_handover_that_failed_says_what_became_of_it() -> None:
    (found,) = matrix.handovers([{**ROW, "outcome": "hung", "because": "stuck", "handover": DOWN}])
    assert found.mptcp == "hung (stuck)"
    assert found.tcp == ""


def test_everything_has_its_words() -> None:
    assert set(words.UPSETS) == set(Upset)
    assert set(words.JOININGS) == set(Joining) - {Joining.SUBFLOW}
    assert set(words.SHORT) == set(Outcome) - {Outcome.MPTCP, Outcome.TCP, Outcome.TCP_BROKE}


def test_the_amounts_stand_beside_what_was_expected() -> None:
    said = amounts.sentences(
        {
            "amounts": {
                "exchanges_count": 72, "tries_count": 74, "wire_bytes": 267_000_000,
                "duration_s": 317.0,
            },
            "estimate": {"duration_s": 47.0, "wire_bytes": 6_900_000},
        }
    )  # fmt: skip
    (sentence,) = said
    assert sentence == (
        "72 exchanges (2 tries more) took 5 min 17 s and 267 MB on the client's network;"
        " 47 s and 6.9 MB were expected."
    )
    assert list(amounts.sentences({})) == []
