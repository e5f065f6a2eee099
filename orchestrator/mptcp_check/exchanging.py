"""One exchange between two readings of all counters, and again where it did not go as it should.

Exchanges run one after the other.  The counters that prove the transport, the path manager's
settings and the monitor belong to a network namespace, not to a connection: of two exchanges at
once none would be proven (decision 23).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from mptcp_check.exchanges import asking, repetition
from mptcp_check.exchanges.application import Target
from mptcp_check.exchanges.proof import Counters
from mptcp_check.exchanges.record import ExchangeRecord, record
from mptcp_check.machines.clock_offset import ClockOffset
from mptcp_check.machines.measured_network import Addressing, Interrupter
from mptcp_check.model import Exchange, Handover, Side, Transport, Upset
from mptcp_check.watch import Glimpse
from mptcp_guest.messages import HandoverDone, SettleArguments

SETTLE_S = 10.0
"""How long connections may take to go after an exchange; a hung one stays longer."""


class Asking(Protocol):
    """Two agents that can be asked, wherever they are."""

    @property
    def addressing(self) -> Addressing:
        """Who is where."""

    @property
    def seed(self) -> str:
        """Makes every file of this run its own."""

    @property
    def keys(self) -> asking.Keys:
        """Of this run's servers and of its user."""

    @property
    def interrupter(self) -> Interrupter | None:
        """Who can make the first path lose everything, if anybody can."""

    @property
    def client_clock(self) -> ClockOffset:
        """Of the client's machine, against this computer's."""

    def call(self, side: Side, verb: str, arguments: Mapping[str, Any] | None = None) -> Any:  # noqa: ANN401 - `VERBS[verb].result`
        """Ask one agent."""

    def both(self, verb: str, arguments: Callable[[Side], Mapping[str, Any]]) -> dict[Side, Any]:
        """Ask both agents at once."""

    def alone(self, side: Side) -> bool:
        """Say whether one end's network holds the exchanges only."""


def run_exchange(session: Asking, exchange: Exchange, *, attempt: int = 1) -> ExchangeRecord:
    """Run one exchange between two readings of all counters."""
    addressing = session.addressing
    session.both(
        "configure",
        lambda side: asking.configure(exchange, addressing.endpoints(exchange, side), side=side),
    )
    offering = asking.offer(exchange, session.seed)
    offered = session.call(Side.SERVER, "offer", offering) if offering else None
    before = _counters(session)
    known, _ = session.keys
    target = Target(
        address=addressing.target(exchange),
        file=asking.file_name(exchange),
        credentials=known,
    )
    own = asking.handover(exchange, addressing.first_path(exchange)) if exchange.handover else None
    wanted = asking.client(exchange, target, session.seed, handover=own)
    interrupter = _armed(session, exchange.handover)
    try:
        result = session.call(Side.CLIENT, "exchange", wanted)
    finally:
        interrupted = interrupter.disarm() if interrupter else None
    if interrupted is not None:
        result["handover"] = _by_the_client(session, interrupted)
    # a login is in what clients say; a run may be shown to others
    for tail in ("stdout_tail", "stderr_tail"):
        result[tail] = result[tail].replace(known.password, "<password>")
    session.both("settle", lambda side: _settle(addressing.ports(side)))
    after = _counters(session)
    received = session.call(Side.SERVER, "received", asking.received(exchange))["received"]
    session.call(Side.SERVER, "discard", asking.discard(exchange))
    events = session.both("monitor", lambda _: {"since_ns": result["start_ns"]})
    return record(
        exchange,
        result,
        offered=offered,
        received=received,
        before=before,
        after=after,
        events={str(side): tuple(said["events"]) for side, said in events.items()},
        attempt=attempt,
    )


def tries(
    run: Callable[[Sequence[ExchangeRecord]], ExchangeRecord], memory: repetition.Memory | None
) -> Iterator[ExchangeRecord]:
    """Run an exchange, and again where it deviates: at most `repetition.MOST_TRIES` times.

    Args:
        run: Runs it; the argument is the tries so far.
        memory: Of the deviations that came twice in the same way; none never tries again.
    """
    done: list[ExchangeRecord] = []
    while not done or (memory is not None and memory.wants_another(done)):
        done.append(run(done))
        yield done[-1]


def glimpse(done: ExchangeRecord) -> Glimpse:
    """Return what an exchange looked like, before any packet was looked at."""
    mptcp = done.exchange.transport is Transport.MPTCP
    return Glimpse(
        arrived=done.sha256_ok,
        over_mptcp=mptcp and done.proof.proven,
        subflow_count=done.proof.subflow_count,
        duration_ns=done.duration_ns,
        trouble=done.problem or "",
        attempt=done.attempt,
    )


def _armed(session: Asking, handover: Handover | None) -> Interrupter | None:
    """Let the network wait for its moment, where the handover is the network's to do."""
    interrupter = session.interrupter
    if handover is None or handover.upset is not Upset.PATH_LOST or interrupter is None:
        return None
    interrupter.arm(after_bytes=handover.after_bytes, lasts_s=handover.lasts_s)
    return interrupter


def _by_the_client(session: Asking, done: HandoverDone) -> HandoverDone:
    """Return when something was done by the client's clock, as its capture and its own acts are."""
    if not done["began_ns"]:
        return done
    ahead_ns = session.client_clock.offset_ns
    return {
        **done,
        "began_ns": done["began_ns"] + ahead_ns,
        "ended_ns": done["ended_ns"] + ahead_ns,
    }


def _settle(ports: Sequence[int]) -> SettleArguments:
    wanted = SettleArguments(within_s=SETTLE_S)
    if ports:
        wanted["ports"] = list(ports)
    return wanted


def _counters(session: Asking) -> Counters:
    read = session.both("counters", lambda _: {})
    return Counters(
        client=read[Side.CLIENT]["counters"],
        server=read[Side.SERVER]["counters"],
        shared=not all(session.alone(side) for side in Side),
    )
