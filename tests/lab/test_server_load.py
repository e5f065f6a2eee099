"""Many sessions at a real server: each with its right capture, and memory that stays flat."""

import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lab.captured_data import letters
from lab.server_network import MPTCP, ServerNetwork, server_network
from mptcp_check.analysis.capture.capture_file import read
from mptcp_check.machines.namespace import entered
from mptcp_check.session_client.remote_session import RemoteSession

pytestmark = pytest.mark.lab

AT_ONCE = 100
BYTES = 20_000
THREADS = 24

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


@pytest.fixture(scope="module")
def whole_network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerNetwork]:
    with server_network(tmp_path_factory.mktemp("load"), CAPS) as made:
        yield made


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


def test_a_hundred_sessions_at_once_have_their_own_captures(
    network: ServerNetwork, tmp_path: Path
) -> None:
    began = time.monotonic()  # noqa: TID251 - a test
    with ThreadPoolExecutor(THREADS) as pool:
        sessions = list(pool.map(lambda n: begin(network, n), range(AT_ONCE)))
        assert len({session.marker for session in sessions}) == AT_ONCE
        list(pool.map(lambda n: exchange(network, n, sessions[n]), range(AT_ONCE)))

        def finish(number: int) -> tuple[int, int]:
            session, path = sessions[number], tmp_path / f"{number}.pcapng"
            with entered(network.namespace(f"user{1 + number % 2}")):
                session.stop_capture()
                said = session.fetch_capture(path)
                session.finish()
            assert said["complete"] is True
            capture = read(path.read_bytes())
            seen, count = letters(capture, session.marker)
            assert seen == {bytes([number % 256])}
            return count, len(capture.packets)

        results = list(pool.map(finish, range(AT_ONCE)))
    assert {count for count, _ in results} == {2 * BYTES}
    took_s = time.monotonic() - began  # noqa: TID251 - a test
    packets = sum(count for _, count in results)
    sys.stdout.write(f"{AT_ONCE} sessions at once, {packets} packets, {took_s:.1f} s\n")


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
