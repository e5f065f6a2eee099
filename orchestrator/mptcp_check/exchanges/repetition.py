"""When an exchange is tried again: what deviated may have been chance; PURE.

An exchange that went as it should runs once.  One that deviated runs a second time; when the second
try goes differently, a third, and the report calls the exchange unstable and lists its tries.  A
deviation that came twice in the same way for several exchanges is the path's habit: the exchanges
after it are believed at once, or a path that changes everything would double every run.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from mptcp_check.analysis.joinable import JOINABLE_BYTES
from mptcp_check.exchanges.record import ExchangeRecord
from mptcp_check.model import Exchange, Handover, Transport

MOST_TRIES = 3
HABIT_COUNT = 3
"""So many exchanges that deviated twice in the same way make a habit."""


LONGER = 8
"""Where a transfer is over before its path can be taken away, the network is fast."""

HEALTHY_TOO = frozenset(
    {
        "MPTcpExtMPFastcloseRx",
        "MPTcpExtMPFastcloseTx",
        "MPTcpExtMPRstRx",
        "MPTcpExtMPRstTx",
        "MPTcpExtSubflowStale",
    }
)
"""Of `proof.TROUBLE` what also moves by chance: a join that races the end of its connection, an
application that leaves before the last byte is read."""


class Look(NamedTuple):
    """How a try went, as far as two of them can be compared: no times, no counts that vary."""

    problem: str
    """Nothing when all was well."""
    fewer_subflows: bool
    trouble: frozenset[str]
    """Names of the counters that moved and never do when all is well."""

    @property
    def is_clean(self) -> bool:
        """Whether it went as it should."""
        return self == CLEAN


CLEAN = Look(problem="", fewer_subflows=False, trouble=frozenset())


class Habit(NamedTuple):
    """A deviation and the conditions under which it came, whichever application met it."""

    look: Look
    transport: Transport
    checksum: bool
    paths: int
    joining: str
    handover: Handover | None


class Memory:
    """What deviated twice in the same way, in one run."""

    def __init__(self) -> None:
        self._confirmed: Counter[Habit] = Counter()

    def wants_another(self, done: Sequence[ExchangeRecord]) -> bool:
        """Say whether an exchange must be tried once more.

        Args:
            done: Its tries so far, at least one.
        """
        looks = [look(one) for one in done]
        if len(looks) == 1:
            habit = _habit(done[0].exchange, looks[0])
            return not looks[0].is_clean and self._confirmed[habit] < HABIT_COUNT
        if len(looks) < MOST_TRIES and looks[0] != looks[1]:
            return True
        if looks[0] == looks[1]:
            self._confirmed[_habit(done[0].exchange, looks[0])] += 1
        return False


def next_try(exchange: Exchange, done: Sequence[ExchangeRecord]) -> Exchange:
    """Return what the next try runs: of a handover that came too late, a longer transfer.

    Args:
        exchange: As planned.
        done: Its tries so far.
    """
    if exchange.handover is None or not done:
        return exchange
    acted = done[-1].handover
    if acted is not None and acted["began_ns"]:
        return exchange
    return replace(exchange, payload_bytes=exchange.payload_bytes * LONGER)


def look(done: ExchangeRecord) -> Look:
    """Return how a try went, by hashes and counters alone."""
    exchange, proof = done.exchange, done.proof
    if exchange.handover is not None:
        return _disturbed(done)
    problem = _problem(done) or ("" if proof.proven else "not proven")
    over_mptcp = exchange.transport is Transport.MPTCP
    joins = proof.joins_wanted if exchange.payload_bytes >= JOINABLE_BYTES else 0
    return Look(
        problem=problem,
        fewer_subflows=over_mptcp and proof.joins_completed_count < joins,
        trouble=frozenset(proof.trouble) - HEALTHY_TOO if over_mptcp else frozenset(),
    )


def _disturbed(done: ExchangeRecord) -> Look:
    """Return how a handover went: resets and stale subflows are what we made ourselves."""
    problem = ""
    if done.handover is None or not done.handover["began_ns"]:
        problem = "the path was never taken away"
    elif done.exchange.transport is Transport.MPTCP:  # nobody expects plain TCP to survive
        problem = _problem(done) or ("" if done.proof.proven else "not proven")
    return CLEAN._replace(problem=problem)


def _problem(done: ExchangeRecord) -> str:
    if done.timed_out:
        return "not done in time"
    return "failed" if done.problem else ""


def _habit(exchange: Exchange, deviation: Look) -> Habit:
    return Habit(
        look=deviation,
        transport=exchange.transport,
        checksum=exchange.checksum,
        paths=exchange.paths,
        joining=exchange.joining,
        handover=exchange.handover,
    )
