"""Run a plan through two agents, as a run does."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lab.agents import AgentProcess
from mptcp_check.exchanges import asking, credentials
from mptcp_check.exchanges.application import Target
from mptcp_check.exchanges.proof import Counters
from mptcp_check.exchanges.record import ExchangeRecord, record
from mptcp_check.machines import addresses
from mptcp_check.model import Exchange, Side

KEYS = credentials.make("for-this-run-only")
SEED = "test"


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
    endpoint = addresses.address(exchange.family, link=1, host=addresses.PROBE)
    client.call(
        "configure", asking.configure(exchange, [{"address": endpoint, "interface": "eth1"}])
    )
    server.call("configure", asking.configure(exchange))
    offer = asking.offer(exchange, SEED)
    offered = None if offer is None else server.call("offer", offer)
    before = _counters(agents)
    target = Target(
        address=addresses.service_address(exchange.transport, exchange.family),
        file=asking.file_name(exchange),
        credentials=KEYS[0],
    )
    result = client.call("exchange", asking.client(exchange, target, SEED))
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
