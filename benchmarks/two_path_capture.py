"""Make a capture of real two-path MPTCP v1 for `engine.py`: a million packets and more.

Two network namespaces, two links limited by tbf, iperf3 under mptcpize: eight streams up, two
streams down over IPv6, then 200 short connections.  Segmentation offloads are off, so that the
file holds segments as a network has them.  Needs root, iproute2, iperf3, mptcpize, tcpdump and
mergecap.
"""

import contextlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

CLIENT, SERVER = "mcbench-client", "mcbench-server"
PATHS = (1, 2)
RATE = "300mbit"
SHORT_CONNECTIONS = 200


def run(*command: str, check: bool = True) -> None:
    """Run a command quietly."""
    subprocess.run(command, check=check, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def inside(namespace: str, *command: str, check: bool = True) -> None:
    """Run a command in a namespace."""
    run("ip", "netns", "exec", namespace, *command, check=check)


@contextlib.contextmanager
def network() -> Iterator[None]:
    """Two namespaces with two rate-limited paths between them."""
    for name in (CLIENT, SERVER):
        run("ip", "netns", "del", name, check=False)
        run("ip", "netns", "add", name)
    try:
        for path in PATHS:
            run(
                *("ip", "link", "add", f"c{path}", "netns", CLIENT, "type", "veth"),
                *("peer", "name", f"s{path}", "netns", SERVER),
            )
            for name, device, host in ((CLIENT, f"c{path}", 1), (SERVER, f"s{path}", 2)):
                prefix = f"10.77.{path}.{host}/24", f"fd77:{path}::{host}/64"
                for address in prefix:
                    extra = ("nodad",) if ":" in address else ()
                    inside(name, "ip", "addr", "add", address, "dev", device, *extra)
                inside(name, "ip", "link", "set", device, "up")
                off = [word for kind in ("tso", "gso", "gro") for word in (kind, "off")]
                inside(name, "ethtool", "-K", device, *off)
                limit = f"tc qdisc add dev {device} root tbf rate {RATE} burst 64kb latency 30ms"
                inside(name, *limit.split())
        for name in (CLIENT, SERVER):
            inside(name, "ip", "link", "set", "lo", "up")
            inside(name, "sysctl", "-qw", "net.mptcp.enabled=1")
            limits = "ip mptcp limits set subflows 4 add_addr_accepted 4"
            inside(name, *limits.split())
        for address in ("10.77.2.1", "fd77:2::1"):
            inside(CLIENT, *f"ip mptcp endpoint add {address} dev c2 subflow".split())
        for address in ("10.77.2.2", "fd77:2::2"):
            inside(SERVER, *f"ip mptcp endpoint add {address} dev s2 signal".split())
        yield
    finally:
        for name in (CLIENT, SERVER):
            run("ip", "netns", "del", name, check=False)


def started(namespace: str, *command: str) -> subprocess.Popen[bytes]:
    """Start a command in a namespace."""
    return subprocess.Popen(
        ["ip", "netns", "exec", namespace, *command],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def make(target: Path, *, seconds: int) -> None:
    """Write the capture.

    Args:
        target: The file to write: classic pcap, nanoseconds, both paths merged by time.
        seconds: How long the streams run.
    """
    with tempfile.TemporaryDirectory(dir=target.parent) as directory, network():
        parts = [Path(directory, f"path{path}.pcap") for path in PATHS]
        background = [
            started(
                CLIENT,
                *("tcpdump", "-i", f"c{path}", "-B", "65536", "-w", str(part), "-Z", "root"),
                *("--time-stamp-precision=nano", "tcp"),
            )
            for path, part in zip(PATHS, parts, strict=True)
        ]
        background += [
            started(SERVER, "mptcpize", "run", "iperf3", "-s", "-p", str(port))
            for port in (5201, 5202, 5203)
        ]
        try:
            time.sleep(2)
            client = ("mptcpize", "run", "iperf3", "-t", str(seconds))
            up = started(CLIENT, *client, "-c", "10.77.1.2", "-p", "5201", "-P", "8")
            down = started(CLIENT, *client, "-c", "fd77:1::2", "-p", "5202", "-P", "2", "-R")
            for process in (up, down):
                process.wait(timeout=seconds + 60)
            short = f"for i in $(seq {SHORT_CONNECTIONS // 2}); do {' '.join(client[:3])} -c "
            short += "10.77.1.2 -p 5203 -n 40K; done"
            inside(CLIENT, "sh", "-c", short)
            time.sleep(1)
        finally:
            for process in background:
                process.terminate()
            for process in background:
                process.wait(timeout=20)
        run("mergecap", "-F", "nsecpcap", "-w", str(target), *(str(part) for part in parts))


if __name__ == "__main__":
    make(Path(sys.argv[1]), seconds=int(sys.argv[2]) if len(sys.argv) > 2 else 18)  # noqa: PLR2004 - optional
