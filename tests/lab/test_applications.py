"""Every application in every mode through two agents: real servers, real clients, real links.

The kernels' counters decide: an exchange that delivered its bytes and was not over the transport
that it claims has failed.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from lab.agents import AgentProcess, lab_up, machines
from lab.suite import run_exchange, start_services
from mptcp_check.exchanges import APPLICATIONS
from mptcp_check.exchanges.http import TRICKLE
from mptcp_check.exchanges.repetition import HEALTHY_TOO
from mptcp_check.model import Exchange, Family, Side, Transfer, Transport
from mptcp_guest.serving.http import TRICKLE_BYTES_PER_S

pytestmark = pytest.mark.lab

KIB = 1024
PAYLOAD_BYTES = 256 * KIB
JOINABLE_BYTES = 96 * KIB
"""What is smaller may be over before a second subflow could join."""

DEADLINE_S = 60.0
"""On a busy computer; nothing waits for it."""

SAID = {
    ("http", "chunked"): "Transfer-Encoding: chunked",
    ("http", "keep-alive"): "Re-using existing connection",
    ("http", "not-found"): "< HTTP/1.1 404 Not Found",
    ("http", "odd-headers"): "> aCCEPT:   */*",
    ("http", "parallel"): "Connection #3 to host",
    ("http", "range"): "< HTTP/1.1 206 Partial Content",
    ("http", "redirect"): "< HTTP/1.1 302 Moved Temporarily",
    ("https", "h2"): "< HTTP/2 2",
    ("https", "http1.1"): "SSL connection using TLSv1.3",
    ("https", "tls1.2"): "SSL connection using TLSv1.2",
    ("ftp", "active"): "> EPRT |",
    ("ftp", "active-port"): "> PORT ",
    ("ftp", "passive"): "> EPSV",
    ("ftp", "passive-pasv"): "> PASV",
    ("ftps", "active"): "PROT P",
    ("ftps", "passive"): "> PROT P",
}
"""What a client says only when it does what the mode is about."""

Agents = dict[Side, AgentProcess]


@dataclass(slots=True)
class Stage:
    """Two agents with the servers of one application at a time."""

    agents: Agents
    app: str = ""
    number: int = 0

    def play(self, exchange: Exchange) -> None:
        if self.app != exchange.app:
            server = self.agents[Side.SERVER]
            server.call("services_stop")
            start_services(server, [e for e in CROSS if e.app == exchange.app])
            self.app = exchange.app
        quiet: list[bool] = []
        record = run_exchange(self.agents, exchange, quiet)
        opened = APPLICATIONS[exchange.app].modes[exchange.mode].opened
        connections, proof = opened.by_client + opened.by_server, record.proof
        assert (record.problem, proof.reason) == (None, ""), record.dialogue
        assert record.sha256_ok
        assert SAID.get((exchange.app, exchange.mode or ""), "") in record.dialogue
        assert proof.proven
        # curl leaves TLS without reading the last alert when that comes too late: MP_FASTCLOSE
        assert set(proof.trouble) <= HEALTHY_TOO
        assert all(quiet)
        if exchange.mode == TRICKLE:
            assert record.duration_ns * TRICKLE_BYTES_PER_S > exchange.payload_bytes * 0.7e9
        if exchange.transport is Transport.TCP:
            assert (proof.opened_count, proof.capable_tried_count) == (connections, 0)
            return
        assert proof.capable_tried_count == proof.capable_answered_count == connections
        if exchange.payload_bytes >= JOINABLE_BYTES and connections == 1:
            assert proof.joins_completed_count == proof.joins_wanted


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with machines() as agents:
        lab_up(agents)
        yield Stage(agents)


def made(
    app: str,
    mode: str | None,
    direction: Transfer,
    family: Family,
    *,
    over: tuple[Transport, int],
) -> Exchange:
    most = APPLICATIONS[app].modes[mode].payload_bytes_max
    transport, paths = over
    return Exchange(
        id=0,
        app=app,
        mode=mode,
        direction=direction,
        transport=transport,
        checksum=False,
        paths=paths,
        family=family,
        port=APPLICATIONS[app].port,
        payload_bytes=min(most or PAYLOAD_BYTES, PAYLOAD_BYTES),
        deadline_s=DEADLINE_S,
    )


CROSS = [
    made(app, mode, direction, family, over=over)
    for app, application in APPLICATIONS.items()
    for mode, how in application.modes.items()
    for family in how.families
    for direction in how.transfers
    for over in ((Transport.TCP, 1), (Transport.MPTCP, 1), (Transport.MPTCP, 2))
]
ONCE = [
    e
    for e in CROSS
    if e.family is Family.IPV4
    and (e.transport, e.paths) in {(Transport.TCP, 1), (Transport.MPTCP, 2)}
    and e.direction is APPLICATIONS[e.app].modes[e.mode].transfers[0]
]


def named(e: Exchange) -> str:
    return f"{e.app}-{e.mode or 'plain'}-{e.direction}-{e.transport}-{e.paths}-{e.family}"


@pytest.mark.parametrize("exchange", ONCE, ids=named)
def test_every_mode_runs_over_both_transports(stage: Stage, exchange: Exchange) -> None:
    stage.play(exchange)


@pytest.mark.slow
@pytest.mark.parametrize("exchange", [e for e in CROSS if e not in ONCE], ids=named)
def test_so_does_every_direction_in_both_families(stage: Stage, exchange: Exchange) -> None:
    stage.play(exchange)
