"""Make the golden captures again: real Multipath TCP of this computer's kernel (needs root).

    sudo .venv/bin/python tests/golden/make_captures.py

Two namespaces, two links.  `kernel_v1.pcapng` is what dumpcap captured on both of the client's
interfaces; `kernel_v1_cooked.pcap` is the same traffic as tcpdump's interface ``any`` has it
(Linux cooked v2), cut at 96 bytes.  Small on purpose: some hundred packets.  Needs iproute2,
ethtool, tcpdump and dumpcap.
"""

import contextlib
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent / "captures"
CLIENT, SERVER = "golden-c", "golden-s"
SERVICE = Path(__file__).resolve().parent / "golden_peer.py"


def run(*arguments: str, check: bool = True) -> None:
    subprocess.run(arguments, check=check, capture_output=True)


def inside(namespace: str, *arguments: str) -> list[str]:
    return ["ip", "netns", "exec", namespace, *arguments]


@contextlib.contextmanager
def network() -> Iterator[None]:
    """Two namespaces with two links, two addresses each, and the MPTCP endpoints."""
    for name in (CLIENT, SERVER):
        run("ip", "netns", "del", name, check=False)
        run("ip", "netns", "add", name)
    try:
        for link in (0, 1):
            ends = [(CLIENT, f"path{link}", 1), (SERVER, f"srv{link}", 2)]
            run(
                "ip",
                "link",
                "add",
                ends[0][1],
                "netns",
                CLIENT,
                "type",
                "veth",
                "peer",
                "name",
                ends[1][1],
                "netns",
                SERVER,
            )
            for namespace, device, host in ends:
                run(
                    *inside(namespace, "ip", "addr", "add", f"10.9.{link}.{host}/24", "dev", device)
                )
                run(
                    *inside(
                        namespace,
                        "ip",
                        "addr",
                        "add",
                        f"fd09:{link}::{host}/64",
                        "dev",
                        device,
                        "nodad",
                    )
                )
                run(*inside(namespace, "ip", "link", "set", device, "up"))
                run(
                    *inside(
                        namespace,
                        "ethtool",
                        "-K",
                        device,
                        "tx",
                        "off",
                        "sg",
                        "off",
                        "tso",
                        "off",
                        "gso",
                        "off",
                        "gro",
                        "off",
                    )
                )
        for namespace in (CLIENT, SERVER):
            run(*inside(namespace, "ip", "link", "set", "lo", "up"))
            run(
                *inside(
                    namespace,
                    "ip",
                    "mptcp",
                    "limits",
                    "set",
                    "subflows",
                    "4",
                    "add_addr_accepted",
                    "4",
                )
            )
            run(*inside(namespace, "sysctl", "-qw", "net.mptcp.checksum_enabled=1"))
        run(
            *inside(
                CLIENT,
                "ip",
                "mptcp",
                "endpoint",
                "add",
                "10.9.1.1",
                "dev",
                "path1",
                "subflow",
                "backup",
            )
        )
        run(*inside(SERVER, "ip", "mptcp", "endpoint", "add", "10.9.1.2", "dev", "srv1", "signal"))
        run(*inside(SERVER, "ip", "mptcp", "endpoint", "add", "fd09:1::2", "dev", "srv1", "signal"))
        yield
    finally:
        for name in (CLIENT, SERVER):
            run("ip", "netns", "del", name, check=False)


@contextlib.contextmanager
def captured(ready: str, *command: str) -> Iterator[None]:
    """Capture in the client's namespace while the block runs."""
    process = subprocess.Popen(inside(CLIENT, *command), stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    while ready not in (line := process.stderr.readline()):
        assert line, f"{command[0]} ended"
    try:
        yield
    finally:
        time.sleep(0.5)
        process.terminate()
        process.wait()


def main() -> None:
    """Make both files."""
    HERE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, network():
        paths, cooked = Path(folder) / "paths.pcapng", Path(folder) / "any.pcap"
        server = subprocess.Popen(inside(SERVER, sys.executable, str(SERVICE), "serve"))
        time.sleep(1)
        try:
            with (
                captured(
                    "File:",
                    "dumpcap",
                    "-i",
                    "path0",
                    "-f",
                    "tcp",
                    "-i",
                    "path1",
                    "-f",
                    "tcp",
                    "-w",
                    str(paths),
                ),
                captured(
                    "listening on",
                    "tcpdump",
                    "-i",
                    "any",
                    "-s",
                    "96",
                    "-w",
                    str(cooked),
                    "-U",
                    "--immediate-mode",
                    "tcp",
                ),
            ):
                run(*inside(CLIENT, sys.executable, str(SERVICE), "talk"))
                time.sleep(1)
        finally:
            server.terminate()
            server.wait()
        shutil.copyfile(paths, HERE / "kernel_v1.pcapng")
        shutil.copyfile(cooked, HERE / "kernel_v1_cooked.pcap")


if __name__ == "__main__":
    main()
