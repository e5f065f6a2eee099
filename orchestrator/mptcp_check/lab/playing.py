"""Play exchanges through a network of the lab, with every interface captured; facts only."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from mptcp_check import exchanging
from mptcp_check.analysis.capture import pcapng_writer
from mptcp_check.analysis.capture.pcapng_writer import InterfaceCapture
from mptcp_check.exchanges import asking
from mptcp_check.exchanges.proof import Counters, prove
from mptcp_check.exchanges.record import ExchangeRecord
from mptcp_check.lab import stream
from mptcp_check.lab.case import STREAM, Case, stream_exchange
from mptcp_check.lab.commands import ip
from mptcp_check.lab.expectations import expectation
from mptcp_check.lab.kernel_boxes import PREFIX, KernelBox, kernel_box
from mptcp_check.lab.network import Network, grown, network
from mptcp_check.lab.stream import Streamed
from mptcp_check.lab.taps import Taps
from mptcp_check.machines import addresses
from mptcp_check.machines.guest_clock import ClockOffset
from mptcp_check.machines.measured_network import Addressing
from mptcp_check.machines.namespace import entered
from mptcp_check.middleboxes import registry
from mptcp_check.middleboxes.chain import Chain
from mptcp_check.model import Exchange, Family, Side, Transfer, Transport
from mptcp_check.watch import Watch

LINK: Final = "link"
SETTLE_S: Final = 1.5
"""How long connections may take to go; what has hung stays and is cut off."""
_CONTROL_BYTES: Final = 2_000
_JOINED: Final = ("MPTcpExtMPJoinAckRx", "MPTcpExtMPRstTx", "MPTcpExtMPJoinRejected")
"""Counters of either side that say what became of a join."""
_MPTCP: Final = "MPTcpExt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """All facts of some exchanges in one network."""

    records: tuple[ExchangeRecord, ...]
    captures: Mapping[Side, tuple[InterfaceCapture, ...]]
    acted_counts: tuple[tuple[int, ...], ...]
    queue_dropped_count: int
    """Frames that the wire could not deliver."""
    lab: Mapping[Side, Mapping[str, object]]
    hello: Mapping[Side, Mapping[str, object]]
    streams: tuple[Streamed, ...] = ()

    def acted_count(self, behaviours: Sequence[str]) -> int:
        """Return how often some behaviours acted, without what stands beside them."""
        return sum(
            count
            for link, counts in enumerate(self.acted_counts)
            for text, count in zip(placed(behaviours, link), counts, strict=True)
            if text in behaviours
        )

    def troubles(self) -> tuple[str, ...]:
        """Say why the captures are not the whole truth; nothing when they are."""
        said = [
            f"{side} capture of {part.name} lost {part.dropped_count} packets"
            for side, parts in self.captures.items()
            for part in parts
            if part.dropped_count
        ]
        if self.queue_dropped_count:
            said.append(f"the wire lost {self.queue_dropped_count} frames of its own")
        return tuple(said)

    def pcapng(self, side: Side) -> bytes:
        """Return one side's capture of all interfaces."""
        return pcapng_writer.merge(self.captures[side], hardware="network namespace")


def placed(behaviours: Sequence[str], link: int) -> tuple[str, ...]:
    """Return what stands on a link, with what each behaviour needs beside it, the link last."""
    found: list[str] = []
    for text in behaviours:
        setup = expectation(text).setup
        if not text.startswith(PREFIX) and (link == 0 or not setup.one_link):
            found += [*setup.client_side, text, *setup.server_side]
    return (*found, LINK)


def chains(behaviours: Sequence[str], *, seed: int) -> list[Chain]:
    """Return the chains of both links; see `placed`.

    Raises:
        UsageError: A name or a parameter is not known.
    """
    return [
        Chain(
            [
                registry.build(text, link_index=link, rng=random.Random(f"{seed}/{link}/{place}"))  # noqa: S311 - no secret
                for place, text in enumerate(placed(behaviours, link))
            ]
        )
        for link in range(addresses.LINKS)
    ]


def box_of(behaviours: Sequence[str]) -> KernelBox | None:
    """Return the box of the kernel among some behaviours.

    Raises:
        UsageError: There is none of that name.
    """
    return next((kernel_box(b) for b in behaviours if b.startswith(PREFIX)), None)


def play_stream(case: Case, *, directory: Path, number: int = 0) -> Played:
    """Play one case with the light exchange.

    Args:
        case: What to play.
        directory: An empty one, for the agents' files.
        number: Of this network in its sandbox.

    Raises:
        MptcpCheckError: The network cannot be built.
    """
    around = case.circumstances
    exchange = stream_exchange(around, number=0, port=stream.PORT, payload_bytes=case.payload_bytes)
    with network(
        chains(case.behaviours, seed=case.seed),
        directory=directory,
        number=number,
        box=box_of(case.behaviours),
    ) as net:
        taps = _tapped(net)
        try:
            record, streamed = _stream(net, exchange, case)
            net.wire.freeze()  # what is in the air must not reach one capture and miss the other
            captured = taps.finish()
        finally:
            taps.close()
        return _played(net, (record,), captured, (streamed,))


def play_plan(
    behaviours: Sequence[str],
    plan: Sequence[Exchange],
    *,
    seed: str,
    directory: Path,
    keys: asking.Keys,
    watch: Watch,
) -> Played:
    """Play a plan of applications and light exchanges through one network.

    Args:
        behaviours: What lies in the way.
        plan: The exchanges, one after the other.
        seed: Makes every file of this run its own.
        directory: An empty one, for the agents' files.
        keys: Of this run's servers and of its user.
        watch: Told of every exchange.

    Raises:
        MptcpCheckError: The network cannot be built, or a server does not start.
    """
    with network(chains(behaviours, seed=0), directory=directory, box=box_of(behaviours)) as net:
        applications = [e for e in plan if e.app != STREAM]
        if applications:
            net.call(
                Side.SERVER,
                "services_start",
                asking.services_start(applications, addresses.service_address, keys),
            )
        session = _Session(net=net, behaviours=behaviours, seed=seed, keys=keys)
        taps = _tapped(net)
        records, streams = [], []
        try:
            watch.planned(plan)
            watch.step("Running the exchanges, every packet captured at both ends")
            for exchange in plan:
                watch.began(exchange)
                net.wire.check()
                if exchange.app == STREAM:
                    case = Case(behaviours=tuple(behaviours), seed=exchange.id)
                    record, streamed = _stream(net, exchange, case)
                    streams.append(streamed)
                else:
                    record = exchanging.run_exchange(session, exchange)
                records.append(record)
                watch.ended(exchange, exchanging.glimpse(record))
            net.wire.freeze()
            captured = taps.finish()
        finally:
            taps.close()
        return _played(net, tuple(records), captured, tuple(streams))


def prepare(net: Network, behaviours: Sequence[str]) -> None:
    """Give both ends what the behaviours need of them; see `expectations.Setup`."""
    setups = [expectation(text).setup for text in behaviours]
    if any(setup.ecn for setup in setups):
        for side in Side:
            with entered(net.namespace(side)):
                Path("/proc/sys/net/ipv4/tcp_ecn").write_text("1\n")
    if any(setup.announce for setup in setups):
        device = addresses.INTERFACES[1]
        for family in Family:
            address = addresses.address(family, link=1, host=addresses.SERVER)
            where = f"{address} dev {device} signal"
            ip(f"-n {net.namespace(Side.SERVER)} mptcp endpoint add {where}")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Session:
    """What `exchanging.run_exchange` asks."""

    net: Network
    behaviours: Sequence[str]
    addressing: Addressing = addresses.EMBEDDED
    seed: str
    keys: asking.Keys

    @property
    def interrupter(self) -> None:
        """Nobody: what a path does in the lab is a behaviour's."""

    @property
    def client_clock(self) -> ClockOffset:
        """This computer's own."""
        return ClockOffset(offset_ns=0, uncertainty_ns=0)

    def alone(self, side: Side) -> bool:
        del side  # each has a namespace of its own
        return True

    def call(self, side: Side, verb: str, arguments: Mapping[str, Any] | None = None) -> Any:  # noqa: ANN401 - `VERBS[verb].result`
        return self.net.call(side, verb, arguments)

    def both(self, verb: str, arguments: Callable[[Side], Mapping[str, Any]]) -> dict[Side, Any]:
        return _both(self.net, self.behaviours, verb, arguments)


def _both(
    net: Network,
    behaviours: Sequence[str],
    verb: str,
    arguments: Callable[[Side], Mapping[str, Any]],
) -> dict[Side, Any]:
    answers = net.both(verb, arguments)
    if verb == "configure":  # it has just forgotten what was there before
        prepare(net, behaviours)
    return answers


def _tapped(net: Network) -> Taps:
    taps = Taps()
    try:
        for side in Side:
            taps.start(net.namespace(side), addresses.INTERFACES)
    except BaseException:
        taps.close()
        raise
    taps.run()
    return taps


def _played(
    net: Network,
    records: tuple[ExchangeRecord, ...],
    captured: Mapping[str, tuple[InterfaceCapture, ...]],
    streams: tuple[Streamed, ...],
) -> Played:
    return Played(
        records=records,
        captures={side: captured[net.namespace(side)] for side in Side},
        acted_counts=tuple(map(tuple, net.acted_counts())),
        queue_dropped_count=net.wire.queue_dropped_count(),
        lab=net.lab,
        hello=net.both("hello", lambda _: {}),
        streams=streams,
    )


def _stream(net: Network, exchange: Exchange, case: Case) -> tuple[ExchangeRecord, Streamed]:
    """Run the light exchange between two readings of all counters."""
    _both(
        net,
        case.behaviours,
        "configure",
        lambda side: asking.configure(
            exchange, addresses.EMBEDDED.endpoints(exchange, side), side=side
        ),
    )
    setups = [expectation(text).setup for text in case.behaviours]
    if any(setup.control or setup.urgent for setup in setups):
        stream.stream(
            namespace=net.namespace,
            address=addresses.service_address(exchange.transport, exchange.family),
            first=Side.CLIENT,
            seed="control",
            transport=Transport.TCP,
            payload_bytes=_CONTROL_BYTES,
            urgent=any(setup.urgent for setup in setups),
        )
    before = {side: net.counters(side) for side in Side}

    def settled() -> bool:
        if exchange.paths == 1:
            return True
        moved = [grown(before[side], net.counters(side)) for side in Side]
        return any(name in side for side in moved for name in _JOINED)

    done = stream.stream(
        namespace=net.namespace,
        address=addresses.service_address(exchange.transport, exchange.family),
        first=Side.CLIENT if exchange.direction is Transfer.UPLOAD else Side.SERVER,
        seed=f"{case.name}/{case.seed}",
        transport=exchange.transport,
        settled=settled,
        payload_bytes=exchange.payload_bytes,
    )
    net.both("settle", lambda _: {"within_s": SETTLE_S})
    after = {side: net.counters(side) for side in Side}
    counters = [Counters(client=c[Side.CLIENT], server=c[Side.SERVER]) for c in (before, after)]
    return _record(exchange, done, *counters), done


def _record(
    exchange: Exchange, done: Streamed, before: Counters, after: Counters
) -> ExchangeRecord:
    said = "; ".join(done.problems)
    return ExchangeRecord(
        exchange=exchange,
        start_ns=done.start_ns,
        end_ns=done.end_ns,
        duration_ns=done.duration_ns,
        sent=stream.joined_digest(done.sent),
        arrived=stream.joined_digest(done.arrived),
        exit_code=0 if not done.problems else 1,
        timed_out=done.hung,
        before=before,
        after=after,
        # one connection that the client opens, as http's
        proof=prove(replace(exchange, app="http", mode=None), before, after),
        samples=(),
        events={},
        dialogue=said,
        transfer_times="",
        problem=said or (None if done.whole else "what arrived is not what was sent"),
    )


def mptcp_counters(record: ExchangeRecord) -> dict[str, dict[str, int]]:
    """Return both sides' MPTCP counters that moved, by their short names."""
    sides = {
        Side.CLIENT: (record.before.client, record.after.client),
        Side.SERVER: (record.before.server, record.after.server),
    }
    return {
        side.value: {
            name.removeprefix(_MPTCP): count
            for name, count in grown(first, last).items()
            if name.startswith(_MPTCP)
        }
        for side, (first, last) in sides.items()
    }
