"""The measuring stage: both ends made ready, every exchange run, every packet fetched.

It knows two agents, their addresses and their captures, and not where they are.  What a network
can say of itself beyond that (`WireWitness`) is asked where there is one.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from math import inf
from typing import Any

from mptcp_check import both_ends, capturing, clock
from mptcp_check.both_ends import Session
from mptcp_check.capturing import CaptureOfInterface
from mptcp_check.errors import ServerError
from mptcp_check.exchanges import asking, credentials, left_out, metering
from mptcp_check.exchanges.estimate import Estimate, estimate, words
from mptcp_check.exchanges.metering import Meter
from mptcp_check.exchanges.record import ExchangeRecord
from mptcp_check.exchanges.repetition import Memory, next_try
from mptcp_check.exchanges.scopes import Scope
from mptcp_check.exchanging import glimpse, run_exchange, tries
from mptcp_check.machines import guest_clock, measured_network
from mptcp_check.machines.clock_offset import ClockOffset
from mptcp_check.machines.measured_network import (
    Joint,
    Login,
    MeasuredNetwork,
    NetworkKind,
)
from mptcp_check.model import Exchange, Side, Upset
from mptcp_check.watch import Watch
from mptcp_guest.messages import LabUpResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """All facts of a run, before anything is judged."""

    records: tuple[ExchangeRecord, ...]
    """Every try of every exchange, in the order in which they ran."""
    expected: Estimate
    """What the plan was to cost, as far as this network can run it."""
    captures: Mapping[Side, tuple[CaptureOfInterface, ...]]
    hello: Mapping[Side, Mapping[str, Any]]
    lab: Mapping[Side, LabUpResult]
    clocks: Mapping[Side, ClockOffset]
    services: Sequence[Mapping[str, Any]]
    kind: NetworkKind
    ready_ns: int
    """From the start of the first end until both could be asked."""
    exchanges_ns: int
    """From the start of the first exchange to the end of the last."""
    joined: Mapping[str, tuple[str, str]]
    """Of the client's interfaces, as `MeasuredNetwork` has it."""
    notes: tuple[str, ...]
    """What the reader of the report must know, a sentence each."""
    acted_counts: tuple[tuple[int, ...], ...] | None
    """How often each behaviour of each link acted; none where nobody plays any."""
    wire_dropped_count: int
    """Frames that the embedded network could not deliver."""

    def joints(self) -> dict[Side, tuple[Joint, ...]]:
        """Return how both ends were joined to their networks."""
        outside = {Side.CLIENT: self.joined, Side.SERVER: {}}
        return {s: measured_network.joints(self.lab[s]["interfaces"], outside[s]) for s in Side}

    def troubles(self) -> tuple[str, ...]:
        """Say why the captures are not the whole truth; nothing when they are."""
        said = []
        for side, captures in self.captures.items():
            for c in captures:
                if c.about["problem"] is not None:
                    said.append(f"{capturing.named(side, c.interface)}: {c.about['problem']}")
                if c.agreement is not None and not c.agreement.agrees:
                    said.append(f"{side} {c.agreement.reason}")
        if self.wire_dropped_count:
            said.append(f"the switch lost {self.wire_dropped_count} frames of its own")
        return tuple(said)


def measure(
    network: MeasuredNetwork,
    plan: Sequence[Exchange],
    *,
    seed: str,
    keys: asking.Keys,
    scope: Scope,
    watch: Watch,
) -> Measured:
    """Run a plan on a network.

    Args:
        network: Both ends, ready to be asked.
        plan: The exchanges, run one after the other; what the network has no addresses for is
            left out.
        seed: Makes every file of this run its own.
        keys: Of this run's servers and of its user.
        scope: Where the plan is from: whether to try again, and where to stop.
        watch: Told of every exchange.

    Raises:
        MptcpCheckError: A machine, a server or a capture failed.
    """
    # for each end a thread that asks and fetches, and one that compares what was fetched
    with ThreadPoolExecutor(2 * len(Side)) as pool:
        watch.step("Preparing both ends: addresses, servers, captures")
        lab = both_ends.asked(network, pool, "lab_up", lambda side: network.ends[side].lab)
        addressing = network.addressing(lab)
        planned = addressing.fitting(plan)
        keys = _logged_in(keys, network.login)
        expected = estimate(planned, cap_bytes=scope.cap_bytes)
        setting = {s: pool.submit(_clock, network, s) for s in Side}
        clocks = {side: future.result() for side, future in setting.items()}
        session = Session(
            network=network,
            addressing=addressing,
            seed=seed,
            keys=keys,
            pool=pool,
            client_clock=clocks[Side.CLIENT],
            server_clock=clocks[Side.SERVER],
        )
        starting = pool.submit(
            session.call,
            Side.SERVER,
            "services_start",
            asking.services_on(map(addressing.listener, planned), keys),
        )
        examined: tuple[str, ...] = ()
        if network.examine:
            starting.result()  # it asks servers that listen, and no capture shows it
            examined = network.examine(lab, planned)
        away: list[tuple[str, int, int]] = []
        with both_ends.cause_first(network), capturing.captured(session, away) as collected:
            services = starting.result()
            watch.planned(planned)
            watch.step(f"Running {words(expected)}")
            began_ns = clock.monotonic_ns()
            records, capped = _exchanges(session, planned, scope, watch)
            away.extend(_away(session, records))
            exchanges_ns = clock.monotonic_ns() - began_ns
            capturing.check(session)
            acted = network.witness.acted_counts() if network.witness else None
        return Measured(
            records=records,
            expected=expected,
            captures=collected.captures,
            hello=collected.hello,
            lab=lab,
            clocks=clocks,
            services=services["services"],
            kind=network.kind,
            ready_ns=network.ready_ns,
            exchanges_ns=exchanges_ns,
            joined=network.joined,
            notes=(
                *network.notes,
                *examined,
                *_notes(lab),
                *left_out.sentences(plan, planned),
                *capped,
                *network.notes_at_end(),
            ),
            acted_counts=acted,
            wire_dropped_count=network.witness.dropped_count() if network.witness else 0,
        )


def _clock(network: MeasuredNetwork, side: Side) -> ClockOffset:
    """Set the clock of a machine that is ours alone; compare any other."""
    end = network.ends[side]
    if end.compare_clock is not None:
        return end.compare_clock(clock.wall_ns)
    how = guest_clock.set_clock if end.sets_clock else guest_clock.measure
    return how(end.agent, clock.wall_ns)


def _logged_in(keys: asking.Keys, login: Login | None) -> asking.Keys:
    """Return the run's keys with the account that the server gave us, where it gave one."""
    if login is None:
        return keys
    known, own = keys
    ours = replace(known, user=login.user, password=login.password, folder=login.folder)
    return credentials.of_server(ours, login.tls_certificate, login.ssh_host_key), own


def _notes(lab: Mapping[Side, LabUpResult]) -> Iterator[str]:
    for side, up in lab.items():
        yield from up["notes"]
        for interface in up["interfaces"]:
            # checksums that the card makes are missing in the capture, which is no other segment
            on = [name for name in interface["offloads_on"] if name != "tx-checksumming"]
            if on:
                yield (
                    f"{', '.join(on)} of the {side}'s {interface['name']}"
                    " could not be switched off: its capture may show other segments than the wire"
                )


def _exchanges(
    session: Session, planned: Sequence[Exchange], scope: Scope, watch: Watch
) -> tuple[tuple[ExchangeRecord, ...], tuple[str, ...]]:
    """Run a plan; return every try, and why it ended early if it did.

    Raises:
        ServerError: The server gives a session too little for a single exchange.
    """
    memory = Memory() if scope.repeats else None
    bounds = session.network.bounds
    meters = [Meter(scope.cap_bytes)]
    if bounds is not None:
        meters.append(Meter(bounds.capture_bytes, told=metering.CAPTURED_AT_MOST))
    records: list[ExchangeRecord] = []
    said: list[str] = []
    late_count = 0
    for place, exchange in enumerate(planned):

        def run(done: Sequence[ExchangeRecord], exchange: Exchange = exchange) -> ExchangeRecord:
            return run_exchange(session, next_try(exchange, done), attempt=len(done) + 1)

        if not metering.in_time(exchange, left_s=_left_s(session)):
            late_count += 1
            continue
        full = _full(meters, exchange, captured_bytes=capturing.check(session))
        if full is not None:
            said.append(full.words(len(planned) - place))
            break
        watch.began(exchange)
        for done in tries(run, memory):
            records.append(done)
            watch.ended(exchange, glimpse(done))
    if late_count:
        said.append(metering.out_of_time(late_count))
    if bounds is not None and said and not records:
        raise _too_little(session)
    return tuple(records), tuple(said)


def _left_s(session: Session) -> float:
    """Return how long the session at the server still lasts, where there is one."""
    bounds = session.network.bounds
    if bounds is None:
        return inf
    return (bounds.ends_ns - session.server_clock.offset_ns - clock.wall_ns()) / 1e9


def _full(meters: Sequence[Meter], exchange: Exchange, *, captured_bytes: int) -> Meter | None:
    """Return the cap under which an exchange does not fit; where there is none, count it."""
    for meter in meters:
        meter.seen(captured_bytes)
        if not meter.allows(exchange):
            return meter
    for meter in meters:
        meter.spend(exchange)
    return None


def _too_little(session: Session) -> ServerError:
    name = session.network.ends[Side.SERVER].name
    return ServerError(
        f"{name} gives one session too little time, or captures too little of it, for an exchange",
        hint="name another server; its operator sets tickets.session_s and capture.session_bytes",
    )


AWAY_SLACK_NS = 1_000_000_000
"""How far the clocks of machines and the moments of their acts may be apart, on a busy computer."""


def _away(session: Session, records: Sequence[ExchangeRecord]) -> Iterator[tuple[str, int, int]]:
    """Give the interfaces of the client that were down on purpose, from when to when.

    By this computer's clock that never goes back; with some slack, as a frame that arrives just
    when an interface comes up is not captured either.
    """
    ahead_ns = session.client_clock.offset_ns + clock.wall_ns() - clock.monotonic_ns()
    for one in records:
        planned, done = one.exchange.handover, one.handover
        if planned and planned.upset is Upset.INTERFACE_DOWN and done and done["began_ns"]:
            yield (
                session.addressing.first_path(one.exchange)["interface"],
                done["began_ns"] - ahead_ns - AWAY_SLACK_NS,
                done["ended_ns"] - ahead_ns + AWAY_SLACK_NS,
            )
