import dataclasses

import pytest

from mptcp_check.analysis.capture.capture_file import read
from mptcp_check.analysis.diagnose import (
    CONSEQUENCES,
    DETECTORS,
    NO_CONNECTION,
    blame,
    diagnose,
)
from mptcp_check.analysis.other_connections import revised
from mptcp_check.analysis.pairing.pair import pair
from mptcp_check.catalogue import BEHAVIOURS
from mptcp_check.model import Finding, State
from traces import TWO_PATHS, captures

TWO_LOST = """
    0.000 0 > SYN mpc => lost
    1.000 0 > SYN mpc => lost
    3.000 0 > SYN
    3.020 0 < SYN/ACK
    3.040 0 > ACK
"""
ONE_THAT_PASSED = """
    5.000 1 > SYN mpc
    5.020 1 < SYN/ACK mpc
    5.040 1 > ACK mpc
"""


def test_every_behaviour_is_reported_whether_it_was_looked_for_or_not() -> None:
    found = diagnose(*captures(TWO_PATHS)).findings

    assert [f.behaviour for f in found] == list(BEHAVIOURS)
    nothing = diagnose(read(b""), None).findings
    assert [f.behaviour for f in nothing] == list(BEHAVIOURS)
    assert {(f.state, f.because) for f in nothing} == {(State.NOT_MEASURED, NO_CONNECTION)}


def test_each_detector_speaks_once_per_connection() -> None:
    text = TWO_LOST + ONE_THAT_PASSED
    found = diagnose(*captures(text))

    spoken = [(f.behaviour, f.connection) for f in found.findings if f.connection is not None]
    assert len(spoken) == len(set(spoken)) == len(DETECTORS) * len(found.connections) == 90


def test_few_lost_syns_are_chance_where_others_passed() -> None:
    alone = diagnose(*captures(TWO_LOST))
    beside = diagnose(*captures(TWO_LOST + ONE_THAT_PASSED))

    assert [f.behaviour for f in alone.causes] == ["mp_capable_syn_dropped"]
    assert beside.causes == ()
    assert any("may be loss" in f.because for f in beside.findings)


def test_three_lost_syns_are_believed_all_the_same() -> None:
    three = TWO_LOST.replace("3.000 0 > SYN", "2.000 0 > SYN mpc => lost\n3.000 0 > SYN")

    found = diagnose(*captures(three + ONE_THAT_PASSED))

    assert [f.behaviour for f in found.causes] == ["mp_capable_syn_dropped"]


def test_taking_back_changes_nothing_else() -> None:
    client, server = captures(TWO_PATHS)
    connections = pair(client, server)
    found = [detect(c) for c in connections for detect in DETECTORS.values()]

    assert revised(found, connections) == tuple(found)


def test_a_consequence_names_its_cause_on_the_same_connection_only() -> None:
    def seen(behaviour: str, connection: int) -> Finding:
        return Finding(behaviour=behaviour, state=State.SEEN, because="", connection=connection)

    findings = [
        seen("mp_capable_removed_from_syn", 0),
        seen("connection_proxied", 0),
        seen("mp_capable_removed_from_syn", 1),
        dataclasses.replace(seen("connection_proxied", 1), state=State.NOT_SEEN),
    ]

    assert blame(findings) == {0: 1}


def test_the_order_of_blame_speaks_of_the_catalogue_and_has_no_circle() -> None:
    for cause, consequences in CONSEQUENCES.items():
        assert {cause, *consequences} <= set(BEHAVIOURS)
        assert all(cause not in CONSEQUENCES.get(c, frozenset()) for c in consequences)


@pytest.mark.parametrize("swapped", [True, False])
def test_captures_given_the_wrong_way_round_are_noticed(*, swapped: bool) -> None:
    client, server = captures(TWO_PATHS)
    found = diagnose(server, client) if swapped else diagnose(client, server)

    assert any("swapped" in problem for problem in found.problems) is swapped
    assert found.causes == ()


def test_captures_of_different_exchanges_are_noticed() -> None:
    client, _ = captures(TWO_PATHS)
    _, other = captures("0.000 9 > SYN tsval=1\n0.020 9 < SYN/ACK")

    found = diagnose(client, other)

    assert any("in common" in problem for problem in found.problems)
    assert found.causes == ()


def test_captures_without_anything_in_common_accuse_nobody_and_are_not_judged() -> None:
    client, _ = captures(TWO_LOST + ONE_THAT_PASSED)
    _, other = captures("0.000 9 > SYN tsval=1\n0.020 9 < SYN/ACK")

    found = diagnose(client, other)

    assert not found.judged
    assert found.causes == ()
    assert diagnose(*captures(TWO_PATHS)).judged
    assert diagnose(client, None).judged
    assert not diagnose(read(b""), None).judged


def test_an_empty_capture_is_named() -> None:
    client, _ = captures(TWO_PATHS)

    assert diagnose(client, read(b"")).problems == ("the server's capture holds no TCP segment",)


def test_one_capture_is_no_problem_by_itself() -> None:
    found = diagnose(captures(TWO_PATHS)[0], None)

    assert (found.problems, found.clock) == ((), None)
