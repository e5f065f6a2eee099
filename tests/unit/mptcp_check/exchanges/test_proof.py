from collections.abc import Mapping

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mptcp_check.exchanges.plan import plan
from mptcp_check.exchanges.proof import REQUIRED, TROUBLE, Counters, Proof, joins_wanted, prove
from mptcp_check.model import Exchange, Transport

ZERO = dict.fromkeys([*REQUIRED, *TROUBLE], 0)
SHORT = {
    "opened": "TcpActiveOpens",
    "syn": "MPTcpExtMPCapableSYNTX",
    "synack": "MPTcpExtMPCapableSYNACKRX",
    "fallback": "MPTcpExtMPCapableFallbackSYNACK",
    "fallback_ack": "MPTcpExtMPCapableFallbackACK",
    "join": "MPTcpExtMPJoinSynTx",
    "join_synack": "MPTcpExtMPJoinSynAckRx",
    "join_ack": "MPTcpExtMPJoinAckRx",
    "disabled": "MPTcpExtMPCapableSYNTXDisabled",
    "dss": "MPTcpExtDssFallback",
}


def picked(app: str, mode: str | None, transport: Transport, paths: int) -> Exchange:
    return next(
        e for e in plan() if (e.app, e.mode, e.transport, e.paths) == (app, mode, transport, paths)
    )


HTTP = picked("http", None, Transport.MPTCP, 2)
PASSIVE = picked("ftp", "passive", Transport.MPTCP, 2)
ACTIVE = picked("ftp", "active", Transport.MPTCP, 2)
CONTROL = picked("http", None, Transport.TCP, 1)


def side(**counted: int) -> dict[str, int]:
    return ZERO | {SHORT[name]: value for name, value in counted.items()}


def proof(exchange: Exchange, client: Mapping[str, int], server: Mapping[str, int]) -> Proof:
    return prove(
        exchange, Counters(client=ZERO, server=ZERO), Counters(client=client, server=server)
    )


@pytest.mark.parametrize(
    ("exchange", "client", "server"),
    [
        pytest.param(
            HTTP,
            side(opened=2, syn=1, synack=1, join=1, join_synack=1),
            side(join_ack=1),
            id="http, two subflows",
        ),
        pytest.param(
            HTTP, side(opened=2, syn=1, synack=1, join=1), side(), id="the join came too late"
        ),
        pytest.param(
            PASSIVE,
            side(opened=4, syn=2, synack=2, join=2, join_synack=2),
            side(join_ack=2),
            id="passive ftp, as measured",
        ),
        pytest.param(
            ACTIVE,
            side(opened=2, syn=1, synack=1, join=1, join_synack=1),
            side(opened=1, syn=1, synack=1, join_ack=1),
            id="active ftp, as measured: the server opens the data connection",
        ),
        pytest.param(
            ACTIVE,
            side(opened=3, syn=1, synack=1, join=2, join_synack=1),
            side(opened=1, syn=1, synack=1, join_ack=1),
            id="active ftp, the client tried to join the data connection, as measured",
        ),
        pytest.param(CONTROL, side(opened=1), side(), id="plain tcp"),
    ],
)
def test_what_was_measured_is_proven(
    exchange: Exchange, client: dict[str, int], server: dict[str, int]
) -> None:
    found = proof(exchange, client, server)
    assert found.reason == ""
    assert found.proven
    assert found.trouble == {}
    assert found.joins_tried_count >= found.joins_answered_count
    assert found.joins_completed_count == found.joins_answered_count


@pytest.mark.parametrize(
    ("exchange", "client", "server", "reason"),
    [
        pytest.param(HTTP, side(), side(), "no connection was opened", id="nothing"),
        pytest.param(
            HTTP,
            side(opened=1),
            side(),
            "1 connections were opened, none asked for MPTCP",
            id="mptcpize did not catch it",
        ),
        pytest.param(
            HTTP,
            side(opened=1, syn=1, fallback=1),
            side(),
            "1 connections asked for MPTCP, 0 were answered with it",
            id="option removed from the SYN",
        ),
        pytest.param(
            HTTP,
            side(opened=1, syn=1, synack=1),
            side(fallback_ack=1),
            "1 handshakes fell back to TCP",
            id="option removed from the third ACK",
        ),
        pytest.param(
            ACTIVE,
            side(opened=1, syn=1, synack=1),
            side(opened=1),
            "1 of 2 connections were opened without MPTCP",
            id="the server's data connection is plain",
        ),
        pytest.param(
            CONTROL,
            side(opened=1, syn=1, synack=1),
            side(),
            "1 connections of the control asked for MPTCP",
            id="a control that is none",
        ),
    ],
)
def test_what_is_not_proven_has_its_reason(
    exchange: Exchange, client: dict[str, int], server: dict[str, int], reason: str
) -> None:
    found = proof(exchange, client, server)
    assert not found.proven
    assert found.reason == reason


def test_what_became_of_it_later_is_told_beside_the_proof() -> None:
    found = proof(HTTP, side(opened=1, syn=1, synack=1, dss=1, disabled=2), side(dss=1))
    assert found.proven
    assert found.trouble == {
        "MPTcpExtMPCapableSYNTXDisabled": 2,
        "MPTcpExtDssFallback": 2,
    }


def test_only_connections_of_the_client_want_further_subflows() -> None:
    assert [joins_wanted(e) for e in (HTTP, PASSIVE, ACTIVE, CONTROL)] == [1, 2, 1, 0]


@pytest.mark.parametrize("name", REQUIRED)
def test_a_kernel_that_does_not_count_proves_nothing(name: str) -> None:
    without = {other: value for other, value in ZERO.items() if other != name}
    found = proof(HTTP, side(opened=1, syn=1, synack=1), without)
    assert found.reason == f"the server's kernel does not count {name}"


def test_counters_that_went_back_prove_nothing() -> None:
    before = Counters(client=side(opened=5), server=ZERO)
    found = prove(HTTP, before, Counters(client=side(opened=2), server=ZERO))
    assert found.reason == "the client's TcpActiveOpens went back from 5 to 2"


COUNTS = st.fixed_dictionaries({name: st.integers(0, 3) for name in [*REQUIRED, *TROUBLE]})


def added(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    return {name: one[name] + other[name] for name in one}


@given(COUNTS, COUNTS, COUNTS, COUNTS, st.sampled_from([HTTP, PASSIVE, ACTIVE, CONTROL]))
def test_only_what_moved_counts_and_who_counted_it_does_not(
    earlier_client: dict[str, int],
    earlier_server: dict[str, int],
    client: dict[str, int],
    server: dict[str, int],
    exchange: Exchange,
) -> None:
    moved = proof(exchange, client, server)
    before = Counters(client=earlier_client, server=earlier_server)
    after = Counters(client=added(earlier_client, client), server=added(earlier_server, server))
    assert prove(exchange, before, after) == moved
    assert proof(exchange, server, client) == moved


@given(
    syn=st.integers(0, 2),
    synack=st.integers(0, 2),
    join=st.integers(0, 2),
    plain=st.integers(0, 2),
    fell_back=st.booleans(),
)
@example(syn=1, synack=1, join=1, plain=0, fell_back=False)
@example(syn=2, synack=2, join=0, plain=1, fell_back=False)
def test_mptcp_is_proven_exactly_when_no_plain_connection_could_hide(
    syn: int, synack: int, join: int, plain: int, *, fell_back: bool
) -> None:
    client = side(
        opened=syn + join + plain, syn=syn, synack=synack, join=join, fallback=int(fell_back)
    )
    assert proof(HTTP, client, ZERO).proven == (
        syn == synack and syn > 0 and plain == 0 and not fell_back
    )


@pytest.mark.parametrize(
    ("exchange", "client", "joined", "subflows"),
    [
        (HTTP, side(opened=2, syn=1, synack=1, join=1, join_synack=1), 1, 2),
        (HTTP, side(opened=1, syn=1, synack=1), 0, 1),
        (PASSIVE, side(opened=2, syn=2, synack=2), 0, 1),
        (PASSIVE, side(opened=3, syn=2, synack=2, join=1, join_synack=1), 1, 2),
        (CONTROL, side(opened=1), 0, 0),
    ],
)
def test_two_connections_are_not_two_paths(
    exchange: Exchange, client: Mapping[str, int], joined: int, subflows: int
) -> None:
    assert proof(exchange, client, side(join_ack=joined)).subflow_count == subflows


@pytest.mark.parametrize(
    ("reinjected", "reset_sent", "found"),
    [
        pytest.param(1, 0, {}, id="a copy waited unread when its reader closed"),
        pytest.param(0, 0, {"MPTcpExtMPRstRx": 1}, id="nothing was sent twice"),
        pytest.param(
            1, 1, {"MPTcpExtMPRstTx": 1, "MPTcpExtMPRstRx": 1}, id="the other end meant it"
        ),
    ],
)
def test_a_reset_is_trouble_unless_an_unread_copy_explains_it(
    reinjected: int, reset_sent: int, found: dict[str, int]
) -> None:
    client = side(opened=1, syn=1, synack=1) | {"MPTcpExtMPRstTx": reset_sent}
    server = side() | {"MPTcpExtMPTCPRetrans": reinjected, "MPTcpExtMPRstRx": 1}
    assert proof(HTTP, client, server).trouble == found


def test_a_copy_explains_no_reset_at_the_other_end() -> None:
    client = side(opened=1, syn=1, synack=1) | {"MPTcpExtMPRstRx": 1}
    server = side() | {"MPTcpExtMPTCPRetrans": 1}
    assert proof(HTTP, client, server).trouble == {"MPTcpExtMPRstRx": 1}
