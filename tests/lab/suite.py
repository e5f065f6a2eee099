"""Run a plan through two agents, as a run does."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from lab.agents import AgentProcess, lab_up, machines
from mptcp_check.exchanges import APPLICATIONS, asking, credentials
from mptcp_check.exchanges.application import Target
from mptcp_check.exchanges.proof import Counters
from mptcp_check.exchanges.record import ExchangeRecord, record
from mptcp_check.exchanges.repetition import HEALTHY_TOO
from mptcp_check.machines import addresses
from mptcp_check.model import Exchange, Family, Side, Transfer, Transport

Agents = Mapping[Side, AgentProcess]
KEYS = credentials.make("for-this-run-only")
SEED = "test"
PAYLOAD_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteResult:
    """What a plan left."""

    records: tuple[ExchangeRecord, ...]
    captures: Mapping[Side, Any]
    settled: bool


def start_services(server: AgentProcess, planned: Sequence[Exchange]) -> None:
    server.call(
        "services_start",
        asking.services_start(planned, addresses.service_address, KEYS),
    )


def start_captures(agents: Mapping[Side, AgentProcess]) -> None:
    for each in agents.values():
        each.call(
            "capture_start",
            {"interfaces": list(addresses.INTERFACES), "filter": addresses.capture_filter()},
        )


def run_plan(agents: Mapping[Side, AgentProcess], planned: Sequence[Exchange]) -> SuiteResult:
    start_services(agents[Side.SERVER], planned)
    start_captures(agents)
    quiet: list[bool] = []
    records = tuple(run_exchange(agents, exchange, quiet) for exchange in planned)
    captures = {side: each.call("capture_stop")["captures"] for side, each in agents.items()}
    agents[Side.SERVER].call("services_stop")
    return SuiteResult(records=records, captures=captures, settled=all(quiet))


def run_exchange(
    agents: Mapping[Side, AgentProcess], exchange: Exchange, quiet: list[bool]
) -> ExchangeRecord:
    client, server = agents[Side.CLIENT], agents[Side.SERVER]
    where = addresses.EMBEDDED
    for side, each in agents.items():
        endpoints = where.endpoints(exchange, side)
        each.call("configure", asking.configure(exchange, endpoints, side=side))
    offer = asking.offer(exchange, SEED)
    offered = None if offer is None else server.call("offer", offer)
    before = _counters(agents)
    target = Target(
        address=addresses.service_address(exchange.transport, exchange.family),
        file=asking.file_name(exchange),
        credentials=KEYS[0],
    )
    upset = asking.handover(exchange, where.first_path(exchange))
    result = client.call("exchange", asking.client(exchange, target, SEED, handover=upset))
    quiet.extend(each.call("settle", {"within_s": 10.0})["quiet"] for each in agents.values())
    received = server.call("received", asking.received(exchange))["received"]
    server.call("discard", asking.discard(exchange))
    return record(
        exchange,
        result,
        offered=offered,
        received=received,
        before=before,
        after=_counters(agents),
        events={
            side: tuple(each.call("monitor", {"since_ns": result["start_ns"]})["events"])
            for side, each in agents.items()
        },
    )


def _counters(agents: Mapping[Side, AgentProcess]) -> Counters:
    client, server = (agents[side].call("counters")["counters"] for side in Side)
    return Counters(client=client, server=server)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One way to use an application over one transport."""

    app: str
    mode: str | None
    direction: Transfer
    transport: Transport
    paths: int
    family: Family

    def __str__(self) -> str:
        words = (self.app, self.mode, self.direction, self.transport, self.paths, self.family)
        return "-".join(str(word) for word in words if word is not None)

    def exchange(self, number: int, payload_bytes: int) -> Exchange:
        application = APPLICATIONS[self.app]
        most = application.modes[self.mode].payload_bytes_max
        return Exchange(
            id=number,
            app=self.app,
            mode=self.mode,
            direction=self.direction,
            transport=self.transport,
            checksum=False,
            paths=self.paths,
            family=self.family,
            port=application.port,
            payload_bytes=payload_bytes if most is None else min(most, payload_bytes),
            deadline_s=60.0,
        )


def cases(*apps: str) -> tuple[list[Any], list[str]]:
    """Return the cases of applications as parameters of a test, with their names.

    Each mode once over MPTCP with two paths and once over TCP belongs to each change; the rest of
    {MPTCP with one path, with two, TCP} x {IPv4, IPv6} x {download, upload} takes long.
    """
    found: list[Any] = []
    names: list[str] = []
    for app in apps:
        for mode, how in APPLICATIONS[app].modes.items():
            quick = {
                Case(app=app, mode=mode, direction=direction, transport=t, paths=n, family=f)
                for t, n, f, direction in (
                    (Transport.MPTCP, 2, Family.IPV4, how.transfers[0]),
                    (Transport.TCP, 1, Family.IPV6, how.transfers[-1]),
                )
            }
            for family, direction, (transport, paths) in itertools.product(
                Family,
                how.transfers,
                ((Transport.TCP, 1), (Transport.MPTCP, 1), (Transport.MPTCP, 2)),
            ):
                case = Case(
                    app=app,
                    mode=mode,
                    direction=direction,
                    transport=transport,
                    paths=paths,
                    family=family,
                )
                marks = () if case in quick else (pytest.mark.slow,)
                found.append(pytest.param(case, marks=marks))
                names.append(str(case))
    return found, names


_numbers = itertools.count(1)


@contextmanager
def family_of(*apps: str) -> Iterator[Agents]:
    """Give two machines with the servers of some applications, over every transport and family."""
    every = [param.values[0].exchange(0, 1) for param in cases(*apps)[0]]
    with machines() as agents:
        lab_up(agents)
        start_services(agents[Side.SERVER], every)
        yield agents


def require_proven(agents: Mapping[Side, AgentProcess], case: Case) -> ExchangeRecord:
    """Run one case and require that everything arrived, over what it claims and nothing else."""
    exchange = case.exchange(next(_numbers), PAYLOAD_BYTES)
    quiet: list[bool] = []
    found = run_exchange(agents, exchange, quiet)
    opened = APPLICATIONS[case.app].modes[case.mode].opened
    connections = opened.by_client + opened.by_server
    told = (found.problem, found.dialogue[-3000:], found.proof)
    assert found.problem is None, told
    assert found.sha256_ok, told
    assert found.arrived_bytes > 0, told
    assert found.proof.reason == "", told
    assert found.proof.opened_count - found.proof.joins_tried_count == connections, told
    if exchange.payload_bytes == PAYLOAD_BYTES:  # a short one may end before a join does
        assert set(found.proof.trouble) <= HEALTHY_TOO, told
        assert found.proof.joins_completed_count == found.proof.joins_wanted, told
    assert quiet == [True, True], told
    return found
