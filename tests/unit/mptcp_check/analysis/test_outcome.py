import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mptcp_check.analysis.connection_outcome import ConnectionOutcome
from mptcp_check.analysis.outcome import WORST_FIRST, Judgement, Witness, exchange_outcome, worst
from mptcp_check.model import Exchange, Family, Finding, Outcome, State, Transfer, Transport

WELL = Witness(finished=True, deadline_hit=False, sha256_ok=True, proven=True)
WRONG = dataclasses.replace(WELL, sha256_ok=False)
HUNG = Witness(finished=False, deadline_hit=True, sha256_ok=False)
REFUSED = Witness(finished=False, deadline_hit=False, refused=True, problem="refused")
FAILED = Witness(finished=False, deadline_hit=False, problem="curl: (18)")


def exchange(**changes: object) -> Exchange:
    values: dict[str, Any] = {
        "id": 0,
        "app": "http",
        "mode": None,
        "direction": Transfer.DOWNLOAD,
        "transport": Transport.MPTCP,
        "checksum": False,
        "paths": 2,
        "family": Family.IPV4,
        "port": 80,
        "payload_bytes": 1000,
        "deadline_s": 20.0,
    }
    return Exchange(**{**values, **changes})


def connection(outcome: Outcome, subflows_count: int = 2) -> ConnectionOutcome:
    return ConnectionOutcome(outcome=outcome, because="so", subflows_count=subflows_count)


def judged(witness: Witness, *outcomes: Outcome, **changes: object) -> Judgement:
    control = changes.pop("control", None)
    connections = [connection(o) for o in outcomes]
    return exchange_outcome(exchange(**changes), witness, connections, control=control)


def test_the_worst_news_comes_first_and_every_outcome_has_its_place() -> None:
    assert set(WORST_FIRST) == set(Outcome)
    assert WORST_FIRST[:2] == (Outcome.CORRUPTED, Outcome.HUNG)
    assert worst([]) is Outcome.NOT_MEASURED
    assert worst([Outcome.MPTCP, Outcome.HUNG, Outcome.NOT_MEASURED]) is Outcome.HUNG


@pytest.mark.parametrize(
    ("witness", "connections", "control", "outcome"),
    [
        (WELL, [Outcome.MPTCP], Outcome.TCP, Outcome.MPTCP),
        (WELL, [Outcome.MPTCP, Outcome.MPTCP_DEGRADED], None, Outcome.MPTCP_DEGRADED),
        (
            WELL,
            [Outcome.FELL_BACK_AT_HANDSHAKE, Outcome.MPTCP],
            None,
            Outcome.FELL_BACK_AT_HANDSHAKE,
        ),
        (WELL, [Outcome.TCP], None, Outcome.NOT_MEASURED),
        (WELL, [], None, Outcome.NOT_MEASURED),
        (WRONG, [Outcome.MPTCP], Outcome.TCP, Outcome.CORRUPTED),
        (WRONG, [Outcome.MPTCP], Outcome.UNREACHABLE, Outcome.CORRUPTED),
        (HUNG, [Outcome.MPTCP], Outcome.TCP, Outcome.HUNG),
        (HUNG, [Outcome.MPTCP], Outcome.UNREACHABLE, Outcome.UNREACHABLE),
        (HUNG, [Outcome.TIMED_OUT], Outcome.TCP, Outcome.TIMED_OUT),
        (HUNG, [], Outcome.TCP, Outcome.TIMED_OUT),
        (REFUSED, [Outcome.REFUSED], Outcome.TCP, Outcome.REFUSED),
        (REFUSED, [], Outcome.TCP, Outcome.REFUSED),
        (FAILED, [Outcome.TIMED_OUT], Outcome.TCP, Outcome.TIMED_OUT),
        (FAILED, [Outcome.MPTCP], Outcome.TCP, Outcome.REFUSED),
        (FAILED, [], Outcome.TCP, Outcome.NOT_MEASURED),
        (FAILED, [Outcome.MPTCP], Outcome.UNREACHABLE, Outcome.UNREACHABLE),
    ],
)
def test_an_exchange_over_multipath_tcp(
    witness: Witness, connections: list[Outcome], control: Outcome | None, outcome: Outcome
) -> None:
    assert judged(witness, *connections, control=control).outcome is outcome


@pytest.mark.parametrize(
    ("witness", "outcome"),
    [
        (WELL, Outcome.TCP),
        (WRONG, Outcome.CORRUPTED),
        (HUNG, Outcome.UNREACHABLE),
        (REFUSED, Outcome.UNREACHABLE),
    ],
)
def test_a_control_over_plain_tcp(witness: Witness, outcome: Outcome) -> None:
    found = judged(witness, Outcome.TCP, transport=Transport.TCP, paths=1)

    assert (found.outcome, found.contradictions) == (outcome, ())


def test_fewer_subflows_than_wanted_are_a_loss() -> None:
    one = [connection(Outcome.MPTCP, subflows_count=1)]

    assert exchange_outcome(exchange(paths=2), WELL, one).outcome is Outcome.MPTCP_DEGRADED
    assert exchange_outcome(exchange(paths=1), WELL, one).outcome is Outcome.MPTCP


@pytest.mark.parametrize(
    ("witness", "outcome", "words"),
    [
        (
            dataclasses.replace(WELL, server_counters={"MPTcpExtMPCapableFallbackACK": 1}),
            Outcome.MPTCP,
            "MPTcpExtMPCapableFallbackACK",
        ),
        (
            dataclasses.replace(WELL, proven=False, proof_reason="no join was counted"),
            Outcome.MPTCP,
            "no join was counted",
        ),
        (
            dataclasses.replace(WELL, client_counters={"MPTcpExtMPCapableSYNTXDisabled": 2}),
            Outcome.TCP,
            "switched Multipath TCP off",
        ),
    ],
)
def test_witnesses_that_do_not_fit_the_packets_are_said(
    witness: Witness, outcome: Outcome, words: str
) -> None:
    (sentence,) = judged(witness, outcome).contradictions

    assert words in sentence


def test_a_wrong_hash_without_a_changed_byte_is_said() -> None:
    silent = Finding(behaviour="payload_altered", state=State.NOT_SEEN, because="", connection=0)
    found = exchange_outcome(exchange(), WRONG, [connection(Outcome.MPTCP)], [silent])

    assert found.contradictions == ("the hashes differ, but the captures show no changed byte",)


def test_fallback_counters_fit_a_fallback() -> None:
    counted = dataclasses.replace(WELL, client_counters={"MPTcpExtMPCapableFallbackSYNACK": 1})

    assert judged(counted, Outcome.FELL_BACK_AT_HANDSHAKE).contradictions == ()


@given(
    st.builds(
        Witness,
        finished=st.booleans(),
        deadline_hit=st.booleans(),
        refused=st.booleans(),
        sha256_ok=st.sampled_from([True, False, None]),
    ),
    st.lists(st.sampled_from(Outcome), max_size=3),
    st.sampled_from([None, *Outcome]),
)
def test_multipath_tcp_is_never_claimed_for_what_failed(
    witness: Witness, connections: list[Outcome], control: Outcome | None
) -> None:
    found = judged(witness, *connections, control=control)

    if found.outcome in {Outcome.MPTCP, Outcome.MPTCP_DEGRADED}:
        assert witness.finished
        assert not witness.deadline_hit
        assert witness.sha256_ok is not False
    assert found.because
