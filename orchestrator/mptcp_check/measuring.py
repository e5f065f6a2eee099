"""The measuring stage: both machines made ready, every exchange run, every packet fetched.

Between the start and the end of the captures nothing but the exchanges crosses the links.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from mptcp_check import clock
from mptcp_check.analysis.capture import capture_file
from mptcp_check.errors import MachineError
from mptcp_check.exchanges import asking
from mptcp_check.exchanges.application import Target
from mptcp_check.exchanges.proof import Counters
from mptcp_check.exchanges.record import ExchangeRecord, record
from mptcp_check.machines import addresses, guest_clock, wire_agreement
from mptcp_check.machines.embedded import Embedded
from mptcp_check.machines.guest import Guest
from mptcp_check.machines.guest_clock import ClockOffset
from mptcp_check.machines.wire_agreement import Agreement
from mptcp_check.model import Exchange, Side, Transport
from mptcp_check.watch import Glimpse, Watch
from mptcp_guest.messages import CaptureFile, Endpoint

FTP_USER = "mptcp"
SETTLE_S = 10.0
"""How long connections may take to go after an exchange; a hung one stays longer."""

HOSTS: Mapping[Side, int] = {Side.CLIENT: addresses.PROBE, Side.SERVER: addresses.SERVER}


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureOfInterface:
    """One finished capture, fetched from its machine."""

    interface: str
    content: bytes
    about: CaptureFile
    agreement: Agreement
    """With what the switch saw at that interface's port."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """All facts of a run, before anything is judged."""

    records: tuple[ExchangeRecord, ...]
    captures: Mapping[Side, tuple[CaptureOfInterface, ...]]
    hello: Mapping[Side, Mapping[str, Any]]
    lab: Mapping[Side, Mapping[str, Any]]
    clocks: Mapping[Side, ClockOffset]
    services: Sequence[Mapping[str, Any]]
    acted_counts: tuple[tuple[int, ...], ...]
    """How often each behaviour of each link acted."""
    queue_dropped_count: int
    """Frames that the switch could not deliver."""

    def troubles(self) -> tuple[str, ...]:
        """Say why the captures are not the whole truth; nothing when they are."""
        said = []
        for side, captures in self.captures.items():
            for c in captures:
                if c.about["problem"] is not None:
                    said.append(f"{side} capture of {c.interface}: {c.about['problem']}")
                if not c.agreement.agrees:
                    said.append(f"{side} {c.agreement.reason}")
        if self.queue_dropped_count:
            said.append(f"the switch lost {self.queue_dropped_count} frames of its own")
        return tuple(said)


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Both machines while exchanges run."""

    network: Embedded
    seed: str
    password: str
    pool: ThreadPoolExecutor

    def guest(self, side: Side) -> Guest:
        """Return the machine at one side."""
        return self.network.probe if side is Side.CLIENT else self.network.server

    def call(self, side: Side, verb: str, arguments: Mapping[str, Any] | None = None) -> Any:  # noqa: ANN401 - `VERBS[verb].result`
        """Ask one machine's agent."""
        return self.guest(side).agent.call(verb, arguments)

    def both(self, verb: str, arguments: Callable[[Side], Mapping[str, Any]]) -> dict[Side, Any]:
        """Ask both agents at once."""
        asked = {s: self.pool.submit(self.call, s, verb, arguments(s)) for s in Side}
        return {side: future.result() for side, future in asked.items()}


def measure(
    network: Embedded, plan: Sequence[Exchange], *, seed: str, password: str, watch: Watch
) -> Measured:
    """Run a plan on the embedded network.

    Args:
        network: Both machines, just booted.
        plan: The exchanges, run one after the other.
        seed: Makes every file of this run its own.
        password: Of the ftp user, for this run only.
        watch: Told of every exchange.

    Raises:
        MachineError: A machine, a server or a capture failed.
    """
    with ThreadPoolExecutor(2) as pool:
        session = Session(network=network, seed=seed, password=password, pool=pool)
        watch.step("Preparing both machines: addresses, servers, captures")
        lab = session.both(
            "lab_up",
            lambda side: {
                "namespace": addresses.NAMESPACE,
                "interfaces": addresses.interfaces(HOSTS[side]),
            },
        )
        clocks = {s: guest_clock.set_clock(session.guest(s).agent, clock.wall_ns) for s in Side}
        services = session.call(
            Side.SERVER,
            "services_start",
            asking.services_start(
                plan, addresses.service_address, user=FTP_USER, password=password
            ),
        )
        with _captured(session) as captures:
            watch.planned(plan)
            watch.step("Running the exchanges, every packet captured at both ends")
            records = tuple(_exchange(session, exchange, watch) for exchange in plan)
            acted = network.switch.acted_counts()
        return Measured(
            records=records,
            captures=captures,
            hello=session.both("hello", lambda _: {}),
            lab=lab,
            clocks=clocks,
            services=services["services"],
            acted_counts=acted,
            queue_dropped_count=sum(
                port.queue_dropped_count for pair in network.switch.status() for port in pair
            ),
        )


def _exchange(session: Session, exchange: Exchange, watch: Watch) -> ExchangeRecord:
    watch.began(exchange)
    _check(session)
    done = run_exchange(session, exchange)
    watch.ended(exchange, glimpse(done))
    return done


class Asking(Protocol):
    """Two agents that can be asked, wherever they are."""

    @property
    def seed(self) -> str:
        """Makes every file of this run its own."""

    @property
    def password(self) -> str:
        """Of the ftp user."""

    def call(self, side: Side, verb: str, arguments: Mapping[str, Any] | None = None) -> Any:  # noqa: ANN401 - `VERBS[verb].result`
        """Ask one agent."""

    def both(self, verb: str, arguments: Callable[[Side], Mapping[str, Any]]) -> dict[Side, Any]:
        """Ask both agents at once."""


def run_exchange(session: Asking, exchange: Exchange) -> ExchangeRecord:
    """Run one exchange between two readings of all counters."""
    session.both("configure", lambda side: asking.configure(exchange, endpoints(exchange, side)))
    offering = asking.offer(exchange, session.seed)
    offered = session.call(Side.SERVER, "offer", offering) if offering else None
    before = _counters(session)
    target = Target(
        address=addresses.service_address(exchange.transport, exchange.family),
        file=asking.file_name(exchange),
        user=FTP_USER,
        password=session.password,
    )
    result = session.call(Side.CLIENT, "exchange", asking.client(exchange, target, session.seed))
    # ftp's login is in what curl says; a run may be shown to others
    result["stderr_tail"] = result["stderr_tail"].replace(session.password, "<password>")
    session.both("settle", lambda _: {"within_s": SETTLE_S})
    after = _counters(session)
    name = {"name": target.file}
    received = session.call(Side.SERVER, "received", name)["received"]
    session.call(Side.SERVER, "discard", name)
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
        subflow_count=done.proof.capable_answered_count + done.proof.joins_completed_count,
        duration_ns=done.duration_ns,
        trouble=done.problem or "",
    )


def endpoints(exchange: Exchange, side: Side) -> list[Endpoint]:
    """Return the addresses from which one side opens further subflows: the client's others."""
    if side is Side.SERVER:
        return []
    return [
        Endpoint(
            address=addresses.address(exchange.family, link=link, host=addresses.PROBE),
            interface=addresses.INTERFACES[link],
        )
        for link in range(1, addresses.LINKS)
    ]


def _counters(session: Asking) -> Counters:
    read = session.both("counters", lambda _: {})
    return Counters(client=read[Side.CLIENT]["counters"], server=read[Side.SERVER]["counters"])


def _check(session: Session) -> None:
    """Raise when a machine is gone or a capture died: the rest would be worth nothing."""
    session.network.switch.check()
    for lost in session.network.switch.lost():
        raise MachineError(lost, hint="start the run again; `mptcp-check doctor` checks QEMU")
    for side, state in session.both("capture_state", lambda _: {}).items():
        for capture in state["captures"]:
            if not capture["alive"] or capture["problem"]:
                raise MachineError(
                    f"the {side} capture of {capture['interface']} stopped: "
                    f"{capture['problem'] or 'tcpdump ended'}",
                    hint="start the run again, with fewer --apps if there was no space",
                )


@contextmanager
def _captured(session: Session) -> Iterator[dict[Side, tuple[CaptureOfInterface, ...]]]:
    """Capture on every interface; at the end fill the mapping with the finished captures."""
    switch = session.network.switch
    captures: dict[Side, tuple[CaptureOfInterface, ...]] = {}
    switch.record()
    session.both(
        "capture_start",
        lambda _: {
            "interfaces": list(addresses.INTERFACES),
            "filter": addresses.capture_filter(),
        },
    )
    yield captures
    switch.freeze()  # what is still in the air must not reach one capture and miss the other
    stop_requested_ns = clock.monotonic_ns()
    stopped = session.both("capture_stop", lambda _: {})
    for port, side in enumerate(Side):
        captures[side] = tuple(
            _fetch(session, side, file, port=port, stop_requested_ns=stop_requested_ns)
            for file in stopped[side]["captures"]
        )


def _fetch(
    session: Session, side: Side, file: CaptureFile, *, port: int, stop_requested_ns: int
) -> CaptureOfInterface:
    link = addresses.INTERFACES.index(file["interface"])
    local = session.network.directory / f"{side}-{file['interface']}.pcap"
    session.guest(side).management.get(file["path"], local)
    content = local.read_bytes()
    local.unlink()
    return CaptureOfInterface(
        interface=file["interface"],
        content=content,
        about=file,
        agreement=wire_agreement.compare(
            _frames(content),
            session.network.switch.wire_frames(link, port),
            interface=file["interface"],
            stop_requested_ns=stop_requested_ns,
        ),
    )


def _frames(content: bytes) -> Iterator[bytes]:
    framing = capture_file.frame(np.frombuffer(content, dtype=np.uint8))
    for offset, captured in zip(framing.records.offset, framing.records.captured, strict=True):
        yield content[int(offset) : int(offset) + int(captured)]
