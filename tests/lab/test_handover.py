"""Further subflows in every way, and paths that go away in mid-transfer, between real kernels."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from lab.agents import AgentProcess, lab_up, machines
from lab.suite import run_exchange, start_services
from mptcp_check.exchanges.plan import Depth, plan
from mptcp_check.exchanges.record import ExchangeRecord
from mptcp_check.model import Exchange, Family, Joining, Side, Transfer, Transport, Upset

pytestmark = pytest.mark.lab

Agents = dict[Side, AgentProcess]
PATIENT_S = 120.0
"""On a busy computer; only what has hung waits for its deadline, and that is plain TCP."""
FULL = [
    replace(e, deadline_s=PATIENT_S) if e.transport is Transport.MPTCP else e
    for e in plan(["http"], Depth.FULL)
]
DOWN = [e for e in FULL if e.direction is Transfer.DOWNLOAD and e.port == 80]
JOINED = [e for e in DOWN if e.joining is not Joining.SUBFLOW or e.paths == 3]
HANDED = [e for e in DOWN if e.handover and e.handover.upset is not Upset.PATH_LOST]


@pytest.fixture(scope="module")
def agents() -> Iterator[Agents]:
    with machines() as pair:
        lab_up(pair)
        start_services(pair[Side.SERVER], DOWN)
        yield pair


def moved(record: ExchangeRecord, side: Side, counter: str) -> int:
    before, after = {
        Side.CLIENT: (record.before.client, record.after.client),
        Side.SERVER: (record.before.server, record.after.server),
    }[side]
    return after.get(counter, 0) - before.get(counter, 0)


@pytest.mark.parametrize("exchange", JOINED, ids=lambda e: f"{e.joining}-{e.family}-{e.paths}")
def test_further_subflows_come_about_as_planned(agents: Agents, exchange: Exchange) -> None:
    record = run_exchange(agents, exchange, [])

    assert record.problem is None
    assert record.proof.reason == ""
    assert record.proof.joins_completed_count == record.proof.joins_wanted == exchange.paths - 1
    announced = exchange.joining in {Joining.SIGNAL, Joining.OTHER_FAMILY}
    assert record.proof.announced_count == int(announced)
    assert record.proof.backup_joins_count == int(exchange.joining is Joining.BACKUP)


@pytest.mark.parametrize("exchange", HANDED, ids=lambda e: f"{e.handover.upset}-{e.transport}")
def test_a_path_goes_away_and_comes_back_as_it_was(agents: Agents, exchange: Exchange) -> None:
    record = run_exchange(agents, exchange, [])

    assert record.handover is not None
    assert record.handover["problem"] == ""
    assert exchange.handover is not None
    assert record.start_ns < record.handover["began_ns"] < record.handover["ended_ns"]
    assert record.handover["after_bytes"] >= exchange.handover.after_bytes
    if exchange.transport is Transport.MPTCP:
        assert record.problem is None
        assert record.proof.proven
    # what needs every address and route of the path works at once, in both families
    for family in Family:
        after = next(e for e in DOWN if e.family is family and e.paths == 2 and not e.handover)
        again = run_exchange(agents, after, [])
        assert again.problem is None
        assert again.proof.joins_completed_count == 1


def test_an_address_that_is_removed_is_announced_as_removed(agents: Agents) -> None:
    (exchange,) = (
        e
        for e in HANDED
        if e.handover
        and e.handover.upset is Upset.ADDRESS_REMOVED
        and e.transport is Transport.MPTCP
    )
    record = run_exchange(agents, exchange, [])

    assert moved(record, Side.SERVER, "MPTcpExtRmAddr") == 1


def test_what_ends_before_its_handover_is_left_alone(agents: Agents) -> None:
    short = replace(HANDED[0], payload_bytes=1000)
    record = run_exchange(agents, short, [])

    assert record.problem is None
    assert record.handover is not None
    assert record.handover["began_ns"] == 0
    assert record.handover["ended_ns"] == 0
