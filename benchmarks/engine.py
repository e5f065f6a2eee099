"""How fast is `mptcp-check inspect`?  Ratios to tshark, tcptrace and tcpdump on the same file.

    sudo .venv/bin/python benchmarks/engine.py [FILE]

Whole processes, imports included, nothing subtracted; warm caches, the least of five interleaved
runs each, as whatever else the machine does only adds to it.
Without FILE, a capture of more than a million packets of real two-path MPTCP v1 is made behind
this machine's kernel (see `two_path_capture`); what is made is kept in the cache directory.  Each
claim is printed with the ratio that was reached and PASS or FAIL; seconds only say how large the
work was.  The exit code is 1 if any claim failed.
"""

import os
import resource
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import repeated_capture
import two_path_capture

PROGRAM = str(Path(sys.executable).with_name("mptcp-check"))
CACHE = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "mptcp-check-bench"
REPEATS = 5
CONNECTIONS = 100_000
TIMES = 10
"""How often the file's packets are written to one that is longer, each time as other hosts'."""
TSHARK_LEAST = 40
TSHARK_LIMIT = 80
"""tshark runs once, and not longer than so many times what `inspect` takes."""
TSHARK_FIELDS = (
    "tcp.options.mptcp.subtype",
    "tcp.options.mptcp.version",
    "tcp.options.mptcp.sendkey",
    "tcp.options.mptcp.recvtok",
    "tcp.options.mptcp.sendhmac",
    "tcp.options.mptcp.rawdataseqno",
    "tcp.options.mptcp.subflowseqno",
    "tcp.options.mptcp.datalvllen",
    "tcp.options.mptcp.rawdataack",
    "tcp.options.mptcp.addrid",
    "mptcp.stream",
)


def seconds(command: Sequence[str], limit_s: float | None = None) -> float:
    """Return how long a process takes, from its start to its end or to a limit."""
    began = time.perf_counter()
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    try:
        subprocess.run(command, check=True, timeout=limit_s, **quiet)
    except subprocess.TimeoutExpired as e:
        return float(e.timeout)
    return time.perf_counter() - began


def least(commands: dict[str, Sequence[str]]) -> dict[str, float]:
    """Return the least time of each command; they take turns, after one run that warms up."""
    times: dict[str, list[float]] = {name: [] for name in commands}
    for turn in range(REPEATS + 1):
        for name, command in commands.items():
            taken = seconds(command)
            if turn:
                times[name].append(taken)
    return {name: min(values) for name, values in times.items()}


def inspect(path: Path) -> list[str]:
    """Return the command that is measured."""
    return [PROGRAM, "inspect", "--json", "--all", str(path)]


def claim(
    text: str,
    value: float,
    *,
    at_least: float = 0.0,
    most: float = float("inf"),
    and_more: bool = False,
) -> bool:
    """Print a number beside what it has to be."""
    reached = at_least <= value <= most
    bound = f">= {at_least:g}" if at_least else f"<= {most:g}"
    shown = f"{'> ' * and_more}{value:.2f}"
    print(f"{'PASS' if reached else 'FAIL'}  {text:62} {shown:>9}  wanted {bound}", flush=True)
    return reached


def many_connections(target: Path, count: int) -> None:
    """Write a synthetic capture of MPTCP v1 connections: handshake, two data segments, close."""
    mss = bytes.fromhex("020405b4")
    dss = bytes.fromhex("1e14 200c 0000000000000000 00000001 000a 0000".replace(" ", ""))

    def packet(*, up: bool, number: int, seq: int, ack: int, flags: int, tail: bytes) -> bytes:
        client = struct.pack(">I", 0x0A000000 + number // 50_000 + 1)
        server = bytes((10, 1, 0, 1))
        ports = 10_000 + number % 50_000, 80
        option_bytes = len(tail) - (10 if flags & 8 else 0)
        ends = client + server if up else server + client
        tcp = struct.pack(">HH", *(ports if up else ports[::-1]))
        tcp += struct.pack(">IIHHHH", seq, ack, (5 + option_bytes // 4) << 12 | flags, 65535, 0, 0)
        ip = struct.pack(">BBHHHBBH", 0x45, 0, 40 + len(tail), 0, 0, 64, 6, 0) + ends
        return bytes(12) + b"\x08\x00" + ip + tcp + tail

    with target.open("wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262_144, 1))
        now = 0
        for number in range(count):
            keys = struct.pack(">QQ", 2 * number + 1, 2 * number + 2)
            data = b"0123456789"
            one, two = 1000, 5000
            steps = (
                (True, one, 0, 0x02, mss + b"\x1e\x04\x01\x01"),
                (False, two, one + 1, 0x12, mss + b"\x1e\x0c\x01\x01" + keys[8:]),
                (True, one + 1, two + 1, 0x10, b"\x1e\x14\x01\x01" + keys),
                (True, one + 1, two + 1, 0x18, dss + data),
                (False, two + 1, one + 11, 0x18, dss + data),
                (True, one + 11, two + 11, 0x11, b""),
                (False, two + 11, one + 12, 0x11, b""),
                (True, one + 12, two + 12, 0x10, b""),
            )
            for up, seq, ack, flags, tail in steps:
                frame = packet(up=up, number=number, seq=seq, ack=ack, flags=flags, tail=tail)
                size = len(frame)
                file.write(struct.pack("<IIII", now // 10**9, now % 10**9, size, size) + frame)
                now += 5_000


def peak_megabytes(command: Sequence[str]) -> float:
    """Return the most memory that a process held at a time, mapped files included."""
    code = "import resource,subprocess,sys;subprocess.run(sys.argv[1:],stdout=-3,check=True);"
    code += "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    done = subprocess.run(
        [sys.executable, "-c", code, *command], check=True, capture_output=True, text=True
    )
    return int(done.stdout) / 1024


def main() -> int:
    """Run all of it; return how many claims failed."""
    CACHE.mkdir(parents=True, exist_ok=True)
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else CACHE / "big.pcap"
    if not path.exists():
        two_path_capture.make(path, seconds=18)
    many = CACHE / "many.pcap"
    once, often = (path.with_name(f"{path.stem}-x{times}.pcap") for times in (1, TIMES))
    if not many.exists():
        many_connections(many, CONNECTIONS)
    packets = repeated_capture.make(path, once, times=1)
    repeated_capture.make(path, often, times=TIMES)

    times = least(
        {
            "inspect": inspect(path),
            "tcptrace": ["tcptrace", "-n", str(path)],
            "tcpdump": ["tcpdump", "-r", str(path), "-w", "/dev/null"],
            "once": inspect(once),
            "often": inspect(often),
            "many": inspect(many),
            "help": [PROGRAM, "inspect", "--help"],
        }
    )
    mine = times["inspect"]
    fields = [word for name in TSHARK_FIELDS for word in ("-e", name)]
    tshark = ["tshark", "-n", "-r", str(path), "-T", "fields", *fields]
    limit_s = TSHARK_LIMIT * mine
    times["tshark"] = seconds(tshark, limit_s)
    print(f"{path}: {path.stat().st_size:,} bytes, {packets:,} packets")
    alone = (times["often"] - times["help"]) / (times["once"] - times["help"])
    print(f"{TIMES} times the packets / one time, had the start taken no time: {alone:.2f}")
    print("seconds: " + ", ".join(f"{name} {taken:.2f}" for name, taken in times.items()))
    reached = [
        claim(
            f"tshark -T fields with {len(TSHARK_FIELDS)} MPTCP fields / inspect --json",
            times["tshark"] / mine,
            at_least=TSHARK_LEAST,
            and_more=times["tshark"] >= limit_s,
        ),
        claim("tcptrace -n / inspect --json", times["tcptrace"] / mine, at_least=1),
        claim("inspect --json / tcpdump -r FILE -w /dev/null", mine / times["tcpdump"], most=3),
        claim(
            f"{TIMES} times the packets / one time",
            times["often"] / times["once"],
            most=TIMES * 1.05,
        ),
        claim(f"{CONNECTIONS:,} connections, seconds", times["many"], most=10),
        claim("peak memory on the file, MB", peak_megabytes(inspect(path)), most=300),
        claim(
            f"peak memory on {TIMES} times the packets, MB",
            peak_megabytes(inspect(often)),
            most=300,
        ),
        claim(
            f"peak memory on {CONNECTIONS:,} connections, MB",
            peak_megabytes(inspect(many)),
            most=300,
        ),
        claim(
            "peak memory while kernels are compiled, MB", cold_megabytes(inspect(many)), most=300
        ),
    ]
    return len(reached) - sum(reached)


def cold_megabytes(command: Sequence[str]) -> float:
    """Return the most memory of a first run, which compiles: of its largest process."""
    with tempfile.TemporaryDirectory() as directory:
        return peak_megabytes(["env", f"NUMBA_CACHE_DIR={directory}", *command])


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.exit(min(main(), 1))
