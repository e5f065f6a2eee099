"""What networks and hosts do by themselves accuses nobody: many runs, and not one accusation."""

import contextlib
import itertools
import os
import socket
import struct
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from lab.capture import capturing
from lab.network import Lab, behind, lab
from lab.topology import LINKS, SERVER_IPV4
from mptcp_check.analysis.capture.capture_file import read
from mptcp_check.analysis.capture.pcapng_writer import merge
from mptcp_check.analysis.diagnose import diagnose
from mptcp_check.lab import matrix, matrix_run, sandbox
from mptcp_check.lab.case import Case
from mptcp_check.machines.namespace import entered
from mptcp_check.model import Side

pytestmark = pytest.mark.lab

MPTCP = 262
PORT = 8080
CHUNK_BYTES, CHUNK_COUNT = 10_000, 20
EVENT_S = 0.1

IMPAIRED = (
    ("loss:probability=0.01",),
    ("loss:probability=0.03",),
    ("loss:probability=0.05",),
    ("loss:probability=0.05,direction=s2c",),
    ("reordering:probability=0.05",),
    ("reordering:probability=0.2,distance_ns=10ms",),
    ("delay",),
    ("duplication:probability=0.05",),
    ("loss:probability=0.02", "reordering:probability=0.1"),
    ("loss:probability=0.02", "duplication:probability=0.02"),
    ("delay", "loss:probability=0.03"),
    ("reordering:probability=0.1", "duplication:probability=0.1", "loss:probability=0.02"),
)
"""What stands in the way; nothing of it is a middlebox's doing."""
EVERY = tuple(
    Case(behaviours=behaviours, circumstances=around, seed=number)
    for number, (behaviours, around) in enumerate(
        itertools.product(IMPAIRED, matrix.circumstances())
    )
)


def accused(cases: Sequence[Case]) -> list[str]:
    jobs = min(4, os.cpu_count() or 1)
    played = list(matrix_run.play(cases, way=sandbox.required(), jobs=jobs, keep=None))
    assert len(played) == len(cases)
    return [
        f"{one.case.name}, {one.case.circumstances.words()}: {one.result}"
        for one in played
        if one.result.get("named") != []
    ]


def test_impairments_accuse_nobody() -> None:
    # another circumstance for each of them
    assert accused(EVERY[::17]) == []


@pytest.mark.slow
def test_impairments_accuse_nobody_under_any_circumstance() -> None:
    assert len(EVERY) == len(IMPAIRED) * 16
    assert accused(EVERY) == []


@pytest.mark.slow
def test_the_worst_of_paths_accuses_nobody_whatever_the_dice_say() -> None:
    # copies that arrive before, beside and instead of their originals: one case in 25 accused once
    worst = [
        Case(behaviours=IMPAIRED[-1], circumstances=around, seed=seed)
        for seed in range(1000, 1020)
        for around in matrix.circumstances()
    ]
    assert accused(worst) == []


def endpoint(network: Lab, *words: str) -> None:
    name = network.namespaces.client
    command = ["ip", "-n", name, "mptcp", "endpoint", *words]
    subprocess.run(command, check=True, capture_output=True)


def identifier(network: Lab) -> str:
    shown = subprocess.run(
        ["ip", "-n", network.namespaces.client, "mptcp", "endpoint", "show"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    (line,) = [line for line in shown.splitlines() if "10.77.1.1" in line]
    return line.split()[line.split().index("id") + 1]


def removes_address(network: Lab) -> None:
    endpoint(network, "delete", "id", identifier(network))


def changes_priority(network: Lab) -> None:
    endpoint(network, "change", "id", identifier(network), "backup")


def joins_late(network: Lab) -> None:
    endpoint(network, "add", "10.77.1.2", "dev", "eth1", "subflow")


def has_a_backup(network: Lab) -> None:
    removes_address(network)
    endpoint(network, "add", "10.77.1.1", "dev", "eth1", "subflow", "backup")


def nothing(_: Lab) -> None:
    """Let it run."""


@pytest.mark.parametrize(
    ("before", "during", "arguments"),
    [
        pytest.param(nothing, removes_address, {}, id="REMOVE_ADDR"),
        pytest.param(nothing, changes_priority, {}, id="MP_PRIO"),
        pytest.param(removes_address, joins_late, {}, id="a late join"),
        pytest.param(has_a_backup, nothing, {}, id="a backup subflow"),
        pytest.param(nothing, nothing, {"abort": True}, id="an abort"),
        pytest.param(nothing, nothing, {"server": socket.IPPROTO_TCP}, id="a server without"),
        pytest.param(nothing, nothing, {"times": 3, "source": 50_123}, id="a port used again"),
    ],
)
def test_what_hosts_do_accuses_nobody(
    before: Callable[[Lab], None], during: Callable[[Lab], None], arguments: dict[str, int]
) -> None:
    with lab(behind()) as network:
        before(network)
        interfaces = {
            network.namespaces.of(side): tuple(f"eth{link}" for link in LINKS) for side in Side
        }
        with (
            tempfile.TemporaryDirectory() as folder,
            capturing(interfaces, Path(folder)) as captures,
        ):
            exchange(network, during, **arguments)
            time.sleep(0.3)
        ends = {
            side: read(merge(captures.by_namespace[network.namespaces.of(side)])) for side in Side
        }

    diagnosis = diagnose(ends[Side.CLIENT], ends[Side.SERVER])

    assert len(diagnosis.connections) >= 1
    assert [cause.because for cause in diagnosis.causes] == []


def exchange(
    network: Lab,
    during: Callable[[Lab], None],
    *,
    server: int = MPTCP,
    abort: bool = False,
    times: int = 1,
    source: int = 0,
) -> None:
    """Send some data slowly, over one connection after the other, while something happens."""
    with entered(network.namespaces.server):
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, server)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((SERVER_IPV4, PORT))
    listener.listen()

    def serve() -> None:
        for _ in range(times):
            with listener.accept()[0] as accepted, contextlib.suppress(OSError):
                accepted.settimeout(60)
                for _ in range(CHUNK_COUNT):
                    accepted.sendall(b"x" * CHUNK_BYTES)
                    time.sleep(0.02)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    with listener:
        for _ in range(times):
            with entered(network.namespaces.client):
                connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM, MPTCP)
            with connection:
                connection.settimeout(60)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if source:  # or the port waits for a minute
                    linger = struct.pack("ii", 1, 0)
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                connection.bind(("10.77.0.1", source))
                connection.connect((SERVER_IPV4, PORT))
                got = len(connection.recv(CHUNK_BYTES))
                time.sleep(EVENT_S)
                during(network)
                while not abort and got < CHUNK_COUNT * CHUNK_BYTES:
                    got += len(connection.recv(65_536))
                # what is unread at the end makes the kernel abort
        thread.join(60)
