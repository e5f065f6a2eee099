"""Every application at once against a public server whose programs all sessions share."""

import threading
from pathlib import Path

import pytest

from mptcp_check.analysis.capture.capture_file import read
from mptcp_check.analysis.capture.packets import Flag
from mptcp_check.exchanges import APPLICATIONS
from mptcp_check.server.services.shared_programs import SHARED
from system.cli import Said, wait_until
from system.public_server import PublicServer
from system.real_site import Site

pytestmark = pytest.mark.lab

BOTH = ("--machine", "host", "--iface", "lan0", "--iface", "lan1")
LIMIT_S = 120
OFFERED = [name for name, app in APPLICATIONS.items() if app.service in SHARED]


def run_all(place: Site, every_service: PublicServer, *words: str) -> Said:
    return place.call(
        "laptop",
        *("run", "--json", "--quick", "--apps", ",".join(OFFERED)),
        *(*BOTH, *every_service.option, *words),
    )


def opened(path: Path) -> set[int]:
    """Return the sequence numbers with which connections of a capture began."""
    packets = read(path.read_bytes()).packets
    syns = packets.flags & int(Flag.SYN | Flag.ACK) == int(Flag.SYN)
    return {int(number) for number in packets.seq[syns]}


def has_its_own_packets(said: Said) -> None:
    captures = Path(said.document["directory"]) / "captures"
    mine = set().union(*(opened(path) for path in captures.glob("client*")))
    at_the_server = opened(captures / "server.pcapng")
    assert at_the_server
    assert at_the_server <= mine


def test_every_program_listens_at_every_address_with_multipath_tcp(
    every_service: PublicServer,
) -> None:
    every_service.await_ready()
    assert wait_until(every_service.all_listen, LIMIT_S)


def test_a_run_measures_with_every_application(place: Site, every_service: PublicServer) -> None:
    said = run_all(place, every_service)
    assert said.code == 0, said.err
    exchanges = said.document["exchanges"]
    assert {e["app"] for e in exchanges} == set(OFFERED)
    assert [e["outcome"] for e in exchanges] == [e["transport"] for e in exchanges]
    assert {(e["app"], e["transport"]) for e in exchanges} == {
        (app, transport) for app in OFFERED for transport in ("tcp", "mptcp")
    }
    assert all(e["proven"] and e["sha256_ok"] for e in exchanges)
    assert all(e["subflows"] == 2 for e in exchanges if e["transport"] == "mptcp")
    assert said.document["integrity"]["troubles"] == []
    has_its_own_packets(said)
    assert every_service.kept_by_services() == []


@pytest.mark.slow
def test_two_runs_at_once_have_their_own_packets_whatever_is_encrypted(
    place: Site, every_service: PublicServer
) -> None:
    done: list[Said] = []
    runs = [
        threading.Thread(target=lambda: done.append(run_all(place, every_service)))
        for _ in range(2)
    ]
    for one in runs:
        one.start()
    for one in runs:
        one.join()
    for said in done:
        assert said.code == 0, said.err
        assert all(e["sha256_ok"] for e in said.document["exchanges"])
        has_its_own_packets(said)
