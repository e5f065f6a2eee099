"""Many sessions at a real server: each with its right capture, and memory that stays flat."""

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lab import shared_exchanges
from lab.server_network import MPTCP, ServerNetwork, server_network
from lab.shared_exchanges import Visitor
from mptcp_check.analysis.capture.capture_file import Capture, read
from mptcp_check.analysis.flows.connections import connections
from mptcp_check.machines.namespace import entered
from mptcp_check.server.configuration_keys import PORTS
from mptcp_check.server.marker import find
from mptcp_check.session_client.remote_session import RemoteSession
from mptcp_guest import payload
from mptcp_guest.messages import Content

pytestmark = pytest.mark.lab

AT_ONCE = 100
BYTES = 20_000
THREADS = 24
OFFERED = ("http", "ftp", "https", "echo")
PASSIVE_PORTS = range(50_000, 50_400)
WORDS_BYTES = 1500
"""No answer of FTP is longer."""

CAPS = """
[netblocks]
sessions_at_once = 1000
sessions_per_hour = 1000000
session_s_per_hour = 10000000
captured_bytes_per_hour = 1000000000000
fetched_bytes_per_hour = 1000000000000
[sessions]
at_once = 1000
[capture]
"""


SERVICES = """
control = "{folder}/control/services.sock"
state = "{folder}/services"
listen = ["0.0.0.0"]
http = [80]
https = [443]
echo = [7]
ftp = [21]
disk_free_min_bytes = 1000000
{others}
"""
ENCRYPTED = frozenset({shared_exchanges.HTTPS})


@pytest.fixture(scope="module")
def whole_network() -> Iterator[ServerNetwork]:
    # not pytest's folder, where nobody but root may look: the services are not root
    folder = Path(tempfile.mkdtemp(prefix=f"mptcp-check-load-{os.getpid()}-"))
    folder.chmod(0o755)
    (folder / "control").mkdir()
    others = "\n".join(f"{n} = []" for n in (*PORTS, "ftp_plain") if n not in OFFERED)
    services = SERVICES.format(folder=folder, others=others)
    try:
        with server_network(folder, CAPS, services) as made:
            yield made
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def network(whole_network: ServerNetwork) -> Iterator[ServerNetwork]:
    """Give the network with a server that runs, and leave no session behind."""
    with whole_network.for_a_test():
        yield whole_network


def begin(network: ServerNetwork, number: int) -> RemoteSession:
    user = 1 + number % 2
    session = network.session(user, f"run-of-number-{number:05}")
    with entered(network.namespace(f"user{user}")):
        session.start_capture()
    return session


def exchange(network: ServerNetwork, number: int, session: RemoteSession) -> None:
    protocol = MPTCP if number % 3 else 0
    letter = bytes([number % 256])
    answer = network.exchange(1 + number % 2, session.marker, letter, size=BYTES, protocol=protocol)
    assert answer == letter * BYTES


def memory_kib(network: ServerNetwork) -> dict[str, int]:
    assert network.process is not None
    found = {}
    for name, pid in (("interface", network.process.pid), ("captures", network.capture_pid())):
        rows = Path(f"/proc/{pid}/status").read_text().splitlines()
        found[name] = next(int(row.split()[1]) for row in rows if row.startswith("VmRSS"))
    return found


def visitor(network: ServerNetwork, number: int) -> Visitor:
    """Return one of many: a session whose capture runs, with a content of its own everywhere."""
    user = 1 + number % 2
    session = begin(network, number)
    content = Content(seed=session.id, bytes=BYTES)
    with entered(network.namespace(f"user{user}")):
        services = session.open_services()
        for service in OFFERED:
            session.offer(service, "x1", content)
    return Visitor(
        network=network,
        user=user,
        protocol=MPTCP if number % 3 else 0,
        session=session,
        services=services,
        content=b"".join(payload.blocks(content)),
    )


def visit(one: Visitor) -> None:
    for way in (one.by_http, one.by_ftp, one.by_https, one.by_echo):
        assert way() == one.content, way


def examine(capture: Capture, one: Visitor) -> list[int]:
    """Return the server's ports of a capture's connections; what is not the visitor's fails.

    What the server sent in the clear must be a part of his content, or of its own few words.
    """
    packets, ports = capture.packets, []
    for connection in connections(packets):
        port = connection.server.port
        ports.append(port)
        for subflow in connection.subflows:
            for row in subflow.rows_c2s.tolist():
                assert find(packets.payload(row)) in {"", one.session.marker}
            for row in subflow.rows_s2c.tolist() if port not in ENCRYPTED else ():
                said = packets.payload(row).rpartition(b"\r\n\r\n")[2]
                own_words = len(said) < WORDS_BYTES and port == shared_exchanges.FTP
                assert said in one.content or own_words, (port, said[:80])
    return ports


def test_a_hundred_sessions_at_once_have_their_own_captures(
    network: ServerNetwork, tmp_path: Path
) -> None:
    began = time.monotonic()  # noqa: TID251 - a test
    with ThreadPoolExecutor(THREADS) as pool:
        visitors = list(pool.map(lambda n: visitor(network, n), range(AT_ONCE)))
        assert len({one.session.marker for one in visitors}) == AT_ONCE
        list(pool.map(visit, visitors))

        def finish(one: Visitor) -> int:
            path = tmp_path / f"{one.session.id}.pcapng"
            with entered(network.namespace(f"user{one.user}")):
                one.session.stop_capture()
                said = one.session.fetch_capture(path)
                one.session.finish()
            assert said["complete"] is True
            capture = read(path.read_bytes())
            *known, passive = sorted(examine(capture, one))
            assert known == sorted(
                (shared_exchanges.ECHO, shared_exchanges.FTP, shared_exchanges.HTTP, *ENCRYPTED)
            )
            assert passive in PASSIVE_PORTS
            return len(capture.packets)

        packets = sum(pool.map(finish, visitors))
    took_s = time.monotonic() - began  # noqa: TID251 - a test
    numbers = f"{4 * AT_ONCE} exchanges, {packets} packets, {took_s:.1f} s"
    sys.stdout.write(f"{AT_ONCE} sessions at once with real servers, {numbers}\n")


def many(network: ServerNetwork, count: int, warm: int) -> dict[str, int]:
    """Have sessions one after the other, some at once; return how memory grew after some."""

    def whole(number: int) -> None:
        user = network.namespace(f"user{1 + number % 2}")
        with entered(user):  # not `begin`: a test of memory keeps none
            session = RemoteSession.create(network.connection(), f"run-of-number-{number:05}")
            session.start_capture()
        exchange(network, number, session)
        with entered(user):
            session.delete()
        if number % 1000 == 999:
            sys.stdout.write(f"{number + 1} sessions: {memory_kib(network)} KiB\n")
            sys.stdout.flush()

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(whole, range(warm)))
        before = memory_kib(network)
        list(pool.map(whole, range(warm, count)))
    after = memory_kib(network)
    sys.stdout.write(f"{count} sessions: {before} -> {after} KiB\n")
    return {name: after[name] - before[name] for name in after}


def test_memory_stays_flat_over_sessions(network: ServerNetwork) -> None:
    grown = many(network, 160, 80)
    assert max(grown.values()) < 32 * 1024


@pytest.mark.slow
def test_memory_stays_flat_over_ten_thousand_sessions(network: ServerNetwork) -> None:
    grown = many(network, 10_000, 500)
    assert max(grown.values()) < 32 * 1024
