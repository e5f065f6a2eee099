"""Make the golden captures again: real Multipath TCP of this computer's kernel (needs root).

    sudo .venv/bin/python tests/golden/make_captures.py [varied] [lossy]

Two namespaces, two links, DSS checksums on.  `kernel_v1.pcapng` is what dumpcap captured on both
of the client's interfaces; `kernel_v1_cooked.pcap` is the same traffic as tcpdump's interface
``any`` has it (Linux cooked v2), cut at 96 bytes.  `kernel_v1_lossy.pcapng` is one connection over
both links, both slow, on which the server's side loses every few dozenth segment of either
direction: retransmissions, reordering, SACK, reinjections.  Small on purpose: some hundred
packets.  Needs iproute2, nftables, ethtool, tcpdump and dumpcap.
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
OFFLOADS_OFF = tuple(word for name in ("tx", "sg", "tso", "gso", "gro") for word in (name, "off"))
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
                        *OFFLOADS_OFF,
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


def both_links(file: Path) -> contextlib.AbstractContextManager[None]:
    """Capture on both of the client's interfaces while the block runs."""
    interfaces = ("-i", "path0", "-f", "tcp", "-i", "path1", "-f", "tcp")
    return captured("File:", "dumpcap", *interfaces, "-w", str(file))


@contextlib.contextmanager
def serving() -> Iterator[None]:
    """Let the server's side of the exchanges run while the block does."""
    server = subprocess.Popen(inside(SERVER, sys.executable, str(SERVICE), "serve"))
    time.sleep(1)
    try:
        yield
    finally:
        server.terminate()
        server.wait()


def varied() -> None:
    """Make `kernel_v1.pcapng` and `kernel_v1_cooked.pcap`."""
    with tempfile.TemporaryDirectory() as folder, network():
        paths, cooked = Path(folder) / "paths.pcapng", Path(folder) / "any.pcap"
        with (
            serving(),
            both_links(paths),
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
        shutil.copyfile(paths, HERE / "kernel_v1.pcapng")
        shutil.copyfile(cooked, HERE / "kernel_v1_cooked.pcap")


LOSSES = """
table inet losses {
    chain in {
        type filter hook input priority 0;
        tcp dport 8080 meta length > 500 numgen inc mod 13 == 9 drop;
    }
}
table bridge losses {
    chain out {
        type filter hook output priority 0;
        tcp sport 8080 meta length > 500 numgen inc mod 11 == 4 drop;
    }
}
"""
"""What the client sends is lost behind its capture, what the server sends in front of it."""
RATES = ("8mbit", "4mbit")


def lossy() -> None:
    """Make `kernel_v1_lossy.pcapng`."""
    with tempfile.TemporaryDirectory() as folder, network():
        run(*inside(CLIENT, "ip", "mptcp", "endpoint", "change", "id", "1", "nobackup"))
        for link, rate in enumerate(RATES):
            behind_a_bridge(link)
            for namespace, device in ((CLIENT, f"path{link}"), (SERVER, f"srv{link}")):
                queue = ("root", "tbf", "rate", rate, "burst", "3k", "latency", "200ms")
                run(*inside(namespace, "tc", "qdisc", "add", "dev", device, *queue))
        run(*inside(SERVER, "nft", LOSSES))
        paths = Path(folder) / "lossy.pcapng"
        with serving(), both_links(paths):
            run(*inside(CLIENT, sys.executable, str(SERVICE), "transfer"))
            time.sleep(1)
        shutil.copyfile(paths, HERE / "kernel_v1_lossy.pcapng")


def behind_a_bridge(link: int) -> None:
    """Put a bridge between the server and its link: what is lost there its TCP does not notice."""
    device, bridge, prefix = f"srv{link}", f"br{link}", f"10.9.{link}.2/24"
    for words in (
        ("link", "add", bridge, "type", "bridge"),
        ("link", "set", device, "master", bridge),
        ("addr", "del", prefix, "dev", device),
        ("addr", "add", prefix, "dev", bridge),
        ("link", "set", bridge, "up"),
    ):
        run(*inside(SERVER, "ip", *words))
    run(*inside(SERVER, "ethtool", "-K", bridge, *OFFLOADS_OFF))


def main() -> None:
    """Make the files that the command line names, all by default."""
    HERE.mkdir(exist_ok=True)
    makers = {"varied": varied, "lossy": lossy}
    for name in sys.argv[1:] or makers:
        makers[name]()


if __name__ == "__main__":
    main()
