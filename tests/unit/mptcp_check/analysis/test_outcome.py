import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mptcp_check.analysis.connection_outcome import ConnectionOutcome
from mptcp_check.analysis.handover import HandoverSeen, Progress
from mptcp_check.analysis.joinable import JOINABLE_BYTES
from mptcp_check.analysis.outcome import (
    WORST_FIRST,
    Judgement,
    Witness,
    exchange_outcome,
    of_tries,
    worst,
)
from mptcp_check.model import Exchange, Family, Finding, Outcome, State, Transfer, Transport, Upset

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

    large = exchange(paths=2, payload_bytes=JOINABLE_BYTES)
    assert exchange_outcome(large, WELL, one).outcome is Outcome.MPTCP_DEGRADED
    assert exchange_outcome(exchange(paths=1), WELL, one).outcome is Outcome.MPTCP


def test_what_is_over_before_a_join_is_nobodys_loss() -> None:
    one = [connection(Outcome.MPTCP, subflows_count=1)]
    small = exchange(paths=2, payload_bytes=JOINABLE_BYTES - 1)

    found = exchange_outcome(small, WELL, one)
    assert found.outcome is Outcome.MPTCP
    assert "before a further subflow could join" in found.because


def seen(*, other_bytes: int = 9, began_ns: int = 10) -> HandoverSeen:
    progress = Progress(
        pause_ns=1_200_000_000,
        resumed_ns=99,
        first_path_bytes=0,
        other_paths_bytes=other_bytes,
    )
    return HandoverSeen(
        upset=Upset.INTERFACE_DOWN, began_ns=began_ns, ended_ns=20, progress=progress
    )


def test_a_path_that_this_program_took_away_is_no_loss() -> None:
    lost = [connection(Outcome.MPTCP_DEGRADED)]
    found = exchange_outcome(exchange(), dataclasses.replace(WELL, handover=seen()), lost)

    assert found.outcome is Outcome.MPTCP
    assert found.because == "the transfer paused 1.2 s, then went on over the other path"


def test_a_handover_that_came_too_late_measured_nothing() -> None:
    late = dataclasses.replace(WELL, handover=seen(began_ns=0))

    for transport in Transport:
        judged_ = exchange_outcome(exchange(transport=transport), late, [connection(Outcome.MPTCP)])
        assert judged_.outcome is Outcome.NOT_MEASURED
        assert "before its path could be taken away" in judged_.because


def test_a_handover_excuses_neither_a_fallback_nor_a_hang() -> None:
    fell = [connection(Outcome.FELL_BACK_MIDSTREAM)]
    witness = dataclasses.replace(WELL, handover=seen())
    assert exchange_outcome(exchange(), witness, fell).outcome is Outcome.FELL_BACK_MIDSTREAM
    hung = dataclasses.replace(witness, finished=False, deadline_hit=True)
    found = exchange_outcome(exchange(), hung, [connection(Outcome.MPTCP)], control=Outcome.TCP)
    assert found.outcome is Outcome.HUNG


def test_plain_tcp_that_breaks_in_a_handover_is_no_failure_of_the_path() -> None:
    broke = dataclasses.replace(WELL, finished=False, problem="reset", handover=seen())
    found = exchange_outcome(exchange(transport=Transport.TCP, paths=1), broke, [])

    assert found.outcome is Outcome.TCP_BROKE
    assert "reset" in found.because


@pytest.mark.parametrize(
    ("tries", "outcome"),
    [
        ([Outcome.MPTCP], Outcome.MPTCP),
        ([Outcome.HUNG, Outcome.HUNG], Outcome.HUNG),
        ([Outcome.HUNG, Outcome.MPTCP, Outcome.MPTCP], Outcome.UNSTABLE),
        ([Outcome.MPTCP_DEGRADED, Outcome.CORRUPTED, Outcome.MPTCP], Outcome.CORRUPTED),
    ],
)
def test_tries_that_differ_are_unstable_but_wrong_data_are_wrong(
    tries: list[Outcome], outcome: Outcome
) -> None:
    found = of_tries([Judgement(outcome=o, because=f"so {o}") for o in tries])

    assert found.outcome is outcome
    if outcome is Outcome.UNSTABLE:
        assert found.because == "3 tries, and they differ: hung, then mptcp, then mptcp"


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
