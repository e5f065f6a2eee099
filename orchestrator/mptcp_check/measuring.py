"""The measuring stage: both ends made ready, every exchange run, every packet fetched.

It knows two agents, their addresses and their captures, and not where they are.  What a network
can say of itself beyond that (`WireWitness`) is asked where there is one.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from mptcp_check import clock
from mptcp_check.errors import MachineError, MptcpCheckError, ServerError
from mptcp_check.exchanges import asking
from mptcp_check.exchanges.application import Target
from mptcp_check.exchanges.proof import Counters
from mptcp_check.exchanges.record import ExchangeRecord, record
from mptcp_check.machines import guest_clock, measured_network
from mptcp_check.machines.guest_clock import ClockOffset
from mptcp_check.machines.measured_network import Addressing, Joint, MeasuredNetwork, NetworkKind
from mptcp_check.machines.wire_agreement import Agreement
from mptcp_check.model import Exchange, Side, Transport
from mptcp_check.watch import Glimpse, Watch
from mptcp_guest.messages import CaptureFile, CaptureStopResult, LabUpResult, SettleArguments

SETTLE_S = 10.0
"""How long connections may take to go after an exchange; a hung one stays longer."""

FAILURES: Mapping[Side, type[MptcpCheckError]] = {
    Side.CLIENT: MachineError,
    Side.SERVER: ServerError,
}
"""Whose failure a broken capture is, on a network that is not all ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureOfInterface:
    """One finished capture, fetched from its machine."""

    interface: str
    content: bytes
    about: CaptureFile
    agreement: Agreement | None
    """With what crossed the wire, where somebody saw that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """All facts of a run, before anything is judged."""

    records: tuple[ExchangeRecord, ...]
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
                    said.append(f"{side} capture of {c.interface}: {c.about['problem']}")
                if c.agreement is not None and not c.agreement.agrees:
                    said.append(f"{side} {c.agreement.reason}")
        if self.wire_dropped_count:
            said.append(f"the switch lost {self.wire_dropped_count} frames of its own")
        return tuple(said)


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Both ends while exchanges run."""

    network: MeasuredNetwork
    addressing: Addressing
    seed: str
    keys: asking.Keys
    pool: ThreadPoolExecutor

    def call(self, side: Side, verb: str, arguments: Mapping[str, Any] | None = None) -> Any:  # noqa: ANN401 - `VERBS[verb].result`
        """Ask one end's agent."""
        return self.network.ends[side].agent.call(verb, arguments)

    def both(self, verb: str, arguments: Callable[[Side], Mapping[str, Any]]) -> dict[Side, Any]:
        """Ask both agents at once."""
        return _both(self.network, self.pool, verb, arguments)

    def alone(self, side: Side) -> bool:
        """Say whether one end's network holds the exchanges only."""
        return self.network.ends[side].alone


def measure(
    network: MeasuredNetwork,
    plan: Sequence[Exchange],
    *,
    seed: str,
    keys: asking.Keys,
    watch: Watch,
) -> Measured:
    """Run a plan on a network.

    Args:
        network: Both ends, ready to be asked.
        plan: The exchanges, run one after the other; what the network has no addresses for is
            left out.
        seed: Makes every file of this run its own.
        keys: Of this run's servers and of its user.
        watch: Told of every exchange.

    Raises:
        MptcpCheckError: A machine, a server or a capture failed.
    """
    # for each end a thread that asks and fetches, and one that compares what was fetched
    with ThreadPoolExecutor(2 * len(Side)) as pool:
        watch.step("Preparing both ends: addresses, servers, captures")
        lab = _both(network, pool, "lab_up", lambda side: network.ends[side].lab)
        addressing = network.addressing(lab)
        planned = addressing.fitting(plan)
        session = Session(network=network, addressing=addressing, seed=seed, keys=keys, pool=pool)
        setting = {s: pool.submit(_clock, network, s) for s in Side}
        clocks = {side: future.result() for side, future in setting.items()}
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
        with _captured(session) as collected:
            services = starting.result()
            watch.planned(planned)
            watch.step("Running the exchanges, every packet captured at both ends")
            began_ns = clock.monotonic_ns()
            records = tuple(_exchange(session, exchange, watch) for exchange in planned)
            exchanges_ns = clock.monotonic_ns() - began_ns
            _check(session)
            acted = network.witness.acted_counts() if network.witness else None
        return Measured(
            records=records,
            captures=collected.captures,
            hello=collected.hello,
            lab=lab,
            clocks=clocks,
            services=services["services"],
            kind=network.kind,
            ready_ns=network.ready_ns,
            exchanges_ns=exchanges_ns,
            joined=network.joined,
            notes=(*network.notes, *examined, *_notes(lab), *_left_out(plan, planned)),
            acted_counts=acted,
            wire_dropped_count=network.witness.dropped_count() if network.witness else 0,
        )


def _both(
    network: MeasuredNetwork,
    pool: ThreadPoolExecutor,
    verb: str,
    arguments: Callable[[Side], Mapping[str, Any]],
) -> dict[Side, Any]:
    asked = {s: pool.submit(network.ends[s].agent.call, verb, arguments(s)) for s in Side}
    return {side: future.result() for side, future in asked.items()}


def _clock(network: MeasuredNetwork, side: Side) -> ClockOffset:
    """Set the clock of a machine that is ours alone; compare any other."""
    end = network.ends[side]
    how = guest_clock.set_clock if end.sets_clock else guest_clock.measure
    return how(end.agent, clock.wall_ns)


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


def _left_out(plan: Sequence[Exchange], planned: Sequence[Exchange]) -> Iterator[str]:
    missing = {e.family for e in plan} - {e.family for e in planned}
    for family in sorted(missing):
        yield f"nothing ran over {family}: client and server do not both have an address"
    if max(e.paths for e in planned) < max(e.paths for e in plan):
        yield "the client had one address: no second subflow was tried"
    modes = {e.mode for e in plan if e.mode} - {e.mode for e in planned}
    for mode in sorted(modes):
        yield f"ftp in {mode} mode was left out: it cannot work through an address translation"


def _exchange(session: Session, exchange: Exchange, watch: Watch) -> ExchangeRecord:
    watch.began(exchange)
    _check(session)
    done = run_exchange(session, exchange)
    watch.ended(exchange, glimpse(done))
    return done


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

    def call(self, side: Side, verb: str, arguments: Mapping[str, Any] | None = None) -> Any:  # noqa: ANN401 - `VERBS[verb].result`
        """Ask one agent."""

    def both(self, verb: str, arguments: Callable[[Side], Mapping[str, Any]]) -> dict[Side, Any]:
        """Ask both agents at once."""

    def alone(self, side: Side) -> bool:
        """Say whether one end's network holds the exchanges only."""


def run_exchange(session: Asking, exchange: Exchange) -> ExchangeRecord:
    """Run one exchange between two readings of all counters."""
    addressing = session.addressing
    session.both(
        "configure",
        lambda side: asking.configure(exchange, addressing.endpoints(exchange, side)),
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
    result = session.call(Side.CLIENT, "exchange", asking.client(exchange, target, session.seed))
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
    )


def glimpse(done: ExchangeRecord) -> Glimpse:
    """Return what an exchange looked like, before any packet was looked at."""
    mptcp = done.exchange.transport is Transport.MPTCP
    return Glimpse(
        arrived=done.sha256_ok,
        over_mptcp=mptcp and done.proof.proven,
        subflow_count=done.proof.subflow_count,
        duration_ns=done.duration_ns,
        trouble=done.problem or "",
    )


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


def _check(session: Session) -> None:
    """Raise when an end is gone or a capture died: the rest would be worth nothing."""
    session.network.check()
    for side, state in session.both("capture_state", lambda _: {}).items():
        for capture in state["captures"]:
            if not capture["alive"] or capture["problem"]:
                session.network.check()  # a card that went away since took its capture with it
                failure = FAILURES[side] if session.network.witness is None else MachineError
                raise failure(
                    f"the {side} capture of {capture['interface']} stopped: "
                    f"{capture['problem'] or 'tcpdump ended'}",
                    hint="start the run again, with fewer --apps if there was no space",
                )


@dataclass(frozen=True, slots=True)
class _Collected:
    """What both ends had when the last exchange was over."""

    captures: dict[Side, tuple[CaptureOfInterface, ...]] = field(default_factory=dict)
    hello: dict[Side, Mapping[str, Any]] = field(default_factory=dict)


@contextmanager
def _captured(session: Session) -> Iterator[_Collected]:
    """Capture on every interface; at the end fill in what both ends have."""
    witness, addressing = session.network.witness, session.addressing
    collected = _Collected()
    if witness:
        witness.record()
    session.both(
        "capture_start",
        lambda side: {
            "interfaces": list(addressing.interfaces(side)),
            "filter": addressing.capture_filter(side),
        },
    )
    yield collected
    if witness:
        witness.freeze()  # what is in the air must not reach one capture and miss the other
    stop_requested_ns = clock.monotonic_ns()

    def finished(side: Side) -> list[Future[CaptureOfInterface]]:
        """Stop and fetch; what is here is compared while the next one is on its way."""
        stopped: CaptureStopResult = session.call(side, "capture_stop")
        asking_hello = session.pool.submit(session.call, side, "hello")
        comparing = [
            session.pool.submit(
                _compared,
                session,
                side,
                file,
                session.network.ends[side].fetch(file),
                stop_requested_ns=stop_requested_ns,
            )
            for file in stopped["captures"]
        ]
        collected.hello[side] = asking_hello.result()
        return comparing

    fetching = {side: session.pool.submit(finished, side) for side in Side}
    for side, comparing in fetching.items():
        collected.captures[side] = tuple(future.result() for future in comparing.result())


def _compared(
    session: Session, side: Side, file: CaptureFile, content: bytes, *, stop_requested_ns: int
) -> CaptureOfInterface:
    witness, interface = session.network.witness, file["interface"]
    return CaptureOfInterface(
        interface=interface,
        content=content,
        about=file,
        agreement=witness.agreement(side, interface, content, stop_requested_ns=stop_requested_ns)
        if witness
        else None,
    )
