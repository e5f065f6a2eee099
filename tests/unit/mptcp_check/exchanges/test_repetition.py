"""When an exchange is tried again, and when a deviation is believed."""

from dataclasses import replace

from mptcp_check.exchanges.plan import Depth, plan
from mptcp_check.exchanges.proof import REQUIRED, Counters, prove
from mptcp_check.exchanges.record import ExchangeRecord
from mptcp_check.exchanges.repetition import (
    HABIT_COUNT,
    LONGER,
    MOST_TRIES,
    Memory,
    look,
    next_try,
)
from mptcp_check.exchanging import tries
from mptcp_check.model import Exchange, Transport
from mptcp_guest.messages import HandoverDone

ZERO = dict.fromkeys(REQUIRED, 0)
GOOD = {
    "TcpActiveOpens": 2,
    "MPTcpExtMPCapableSYNTX": 1,
    "MPTcpExtMPCapableSYNACKRX": 1,
    "MPTcpExtMPJoinSynTx": 1,
    "MPTcpExtMPJoinSynAckRx": 1,
}
FULL = plan(["http"], Depth.FULL)
TWO = next(e for e in FULL if e.paths == 2)
HANDED = [e for e in FULL if e.handover]


def record(
    exchange: Exchange = TWO,
    *,
    joins: int = 1,
    problem: str | None = None,
    handover: HandoverDone | None = None,
    **counted: int,
) -> ExchangeRecord:
    digest = {"bytes": 1, "sha256": "a"}
    counters = Counters(client=ZERO | GOOD | counted, server=ZERO | {"MPTcpExtMPJoinAckRx": joins})
    before = Counters(client=ZERO, server=ZERO)
    return ExchangeRecord(
        exchange=exchange,
        start_ns=0,
        end_ns=1,
        duration_ns=1,
        sent=digest,  # type: ignore[arg-type]
        arrived=digest,  # type: ignore[arg-type]
        exit_code=0,
        timed_out=False,
        before=before,
        after=counters,
        proof=prove(exchange, before, counters),
        samples=(),
        events={},
        dialogue="",
        transfer_times="",
        problem=problem,
        handover=handover,
    )


CLEAN = record()
FEWER = record(joins=0)
FAILED = record(problem="reset")


def ran(memory: Memory | None, *outcomes: ExchangeRecord) -> int:
    """Return how many tries it took."""
    waiting = iter(outcomes)
    return len(list(tries(lambda done: replace(next(waiting), attempt=len(done) + 1), memory)))


def test_a_handover_that_came_too_late_is_tried_with_a_longer_transfer() -> None:
    exchange = HANDED[0]
    late = HandoverDone(began_ns=0, ended_ns=0, after_bytes=1, problem="")
    done = HandoverDone(began_ns=5, ended_ns=9, after_bytes=1, problem="")

    assert next_try(exchange, []) == exchange
    assert next_try(exchange, [record(exchange, handover=done)]) == exchange
    longer = next_try(exchange, [record(exchange, handover=late)])
    assert longer.payload_bytes == exchange.payload_bytes * LONGER
    assert next_try(TWO, [FAILED]) == TWO


def test_what_went_well_runs_once() -> None:
    assert look(CLEAN).is_clean
    assert ran(Memory(), CLEAN) == 1


def test_what_deviated_runs_again_and_a_third_time_only_when_it_differs() -> None:
    assert ran(Memory(), FEWER, FEWER) == 2
    assert ran(Memory(), FEWER, CLEAN, CLEAN) == MOST_TRIES
    assert ran(Memory(), FAILED, FEWER, CLEAN) == MOST_TRIES


def test_a_habit_of_the_path_is_believed_at_once() -> None:
    memory = Memory()
    assert [ran(memory, FEWER, FEWER) for _ in range(HABIT_COUNT)] == [2] * HABIT_COUNT
    assert ran(memory, FEWER) == 1
    assert ran(memory, FAILED, FAILED) == 2  # another deviation is none of it


def test_what_varied_is_no_habit() -> None:
    memory = Memory()
    assert [ran(memory, FEWER, CLEAN, CLEAN) for _ in range(9)] == [MOST_TRIES] * 9


def test_who_pays_by_the_byte_pays_once() -> None:
    assert ran(None, FAILED) == 1


def test_counters_that_healthy_ends_move_too_are_no_deviation() -> None:
    assert look(record(MPTcpExtMPRstTx=1, MPTcpExtMPFastcloseRx=1)).is_clean
    assert not look(record(MPTcpExtDssFallback=1)).is_clean


def test_a_small_transfer_may_end_before_the_join() -> None:
    small = replace(TWO, payload_bytes=1000)
    assert look(record(small, joins=0)).is_clean


def test_a_handover_is_tried_again_when_nothing_happened_or_mptcp_failed() -> None:
    tcp, mptcp = (
        next(e for e in HANDED if e.transport is t) for t in (Transport.TCP, Transport.MPTCP)
    )
    done = HandoverDone(began_ns=5, ended_ns=9, after_bytes=1, problem="")
    never = HandoverDone(began_ns=0, ended_ns=0, after_bytes=1, problem="")
    assert look(record(mptcp, handover=done, MPTcpExtSubflowStale=1)).is_clean
    assert not look(record(mptcp, handover=never)).is_clean
    assert not look(record(mptcp, handover=done, problem="killed")).is_clean
    assert look(record(tcp, handover=done, problem="killed")).is_clean
    assert not look(record(tcp, handover=None)).is_clean
