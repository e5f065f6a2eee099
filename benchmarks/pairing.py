"""How long does `mptcp-check diagnose CLIENT SERVER --json` take for very many connections?

    .venv/bin/python benchmarks/pairing.py [CONNECTIONS]

Makes two synthetic captures of MPTCP v1 connections with two subflows each, at both ends of a NAT
that also shifts the sequence numbers, and times whole processes, imports included, caches warm:
once with all of them, once with a tenth.  Printed are the packets per second, the ratio of the two
times (10 where the cost is linear and nothing is constant), and whether each goal is reached.
Times are those of the processor, which is one: on a computer that does nothing else they are the
clock's.
"""

import hashlib
import os
import resource
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

PROGRAM = str(Path(sys.executable).with_name("mptcp-check"))
CACHE = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "mptcp-check-bench"
SHARE = 10
GOAL_SECONDS = 20.0
GOAL_RATIO = SHARE * 1.15
"""Linear, with some room for caches that hold a tenth and not the whole."""
CLOCK_NS = 3_000_000_000
DELAY_NS = 10_000_000
APART_NS = 1_000_000
SYN, SYN_ACK, ACK, PSH, FIN = 0x02, 0x12, 0x10, 0x18, 0x11
BASE = bytes.fromhex("020405b4 0402 080a".replace(" ", ""))
MASK = 0xFFFF_FFFF

Frame = tuple[int, bool, int, bytes, bytes]
"""Time of sending, whether the client sends, subflow, what lies between the ports, the payload."""


def segment(seq: int, ack: int, flags: int, options: bytes) -> bytes:
    """Return a TCP header behind its ports, the checksum left out as offloading leaves it."""
    head = struct.pack(
        ">IIHHHH", seq & MASK, ack & MASK, (5 + len(options) // 4) << 12 | flags, 4096, 0, 0
    )
    return head + options


def stamp(value: int, *, syn: bool = False) -> bytes:
    """Return a timestamps option, with the others of a SYN."""
    prefix = BASE[:6] if syn else b"\x01\x01"
    return prefix + struct.pack(">BBII", 8, 10, value & MASK, 1)


def dss(key: bytes, offset: int, ssn: int, count: int) -> bytes:
    """Return a DSS option with a mapping of 8-byte numbers."""
    first = (int.from_bytes(hashlib.sha256(key).digest()[-8:]) + 1 + offset) % (1 << 64)
    return struct.pack(">BBBBQIH", 30, 18, 0x20, 0x0C, first, ssn, count) + b"\x01\x01"


def conversation(number: int) -> Iterator[Frame]:
    """Yield one connection: two subflows, a request, three answers, both ends close."""
    seed = hashlib.sha256(b"%d" % number).digest()
    keys = seed[:8], seed[8:16]
    now = number * APART_NS
    for subflow in (0, 1):
        isn = (int.from_bytes(seed[16 + 8 * subflow :][:4]), int.from_bytes(seed[20:24]) ^ subflow)
        begin = now + subflow * 5 * DELAY_NS
        if subflow == 0:
            steps = (
                bytes([30, 4, 1, 1]),
                bytes([30, 12, 1, 1]) + keys[1],
                bytes([30, 20, 1, 1]) + keys[0] + keys[1],
            )
        else:
            token = hashlib.sha256(keys[1]).digest()[:4]
            steps = (
                bytes([30, 12, 0x10, 1]) + token + seed[24:28],
                bytes([30, 16, 0x10, 1]) + seed[:8] + seed[28:32],
                bytes([30, 24, 0x10, 0]) + seed[:20],
            )
        sent = [1, 1]
        answers = [(0, PSH, 100), *((1, PSH, 1000), (0, ACK, 0)) * 3, (0, FIN, 0), (1, FIN, 0)]
        plan = [(0, SYN, 0), (1, SYN_ACK, 0), (0, ACK, 0), *answers, (0, ACK, 0)]
        for step, (end, flags, count) in enumerate(plan):
            begin += DELAY_NS // 2
            syn = flags in {SYN, SYN_ACK}
            if step < len(steps):
                options = stamp(begin >> 20, syn=True) + steps[step] if syn else steps[step]
            elif count:
                options = stamp(begin >> 20) + dss(keys[end], sent[end] - 1, sent[end], count)
            else:
                options = stamp(begin >> 20)
            options += b"\x01" * (-len(options) % 4)
            seq = isn[end] + (0 if syn else sent[end])
            ack = isn[1 - end] + sent[1 - end] if flags & ACK else 0
            payload = hashlib.shake_128(seed + bytes([end, step])).digest(count)
            sent[end] += count + (flags == FIN)
            yield begin, end == 0, subflow, segment(seq, ack, flags, options), payload


def frame(number: int, step: int, sent: Frame, *, at_server: bool) -> bytes:
    """Return a frame as one end captures it, behind a NAT that moves sequence numbers too."""
    _, by_client, subflow, tcp, payload = sent
    address = 0x0A000000 + (subflow << 20) + number // 25_000
    client = struct.pack(">IH", address, 20_000 + number % 25_000)
    if at_server:
        client = struct.pack(">IH", 0xC6336400 + (number // 25_000) * 2 + subflow, 2_000 + number)
        seq, ack = struct.unpack_from(">II", tcp)
        move = number * 7919
        seq, ack = (seq + move, ack) if by_client else (seq, ack + move)
        tcp = struct.pack(">II", seq & MASK, ack & MASK) + tcp[8:]
    server = struct.pack(">IH", 0x0A010001, 80)
    one, two = (client, server) if by_client else (server, client)
    head = struct.pack(
        ">BBHHHBBH",
        0x45,
        0,
        24 + len(tcp) + len(payload),
        step + 1,
        0,
        63 if at_server == by_client else 64,
        6,
        0,
    )
    return bytes(12) + b"\x08\x00" + head + one[:4] + two[:4] + one[4:] + two[4:] + tcp + payload


def make(folder: Path, count: int) -> tuple[Path, Path, int]:
    """Write both captures; return where they are, and the packets of both."""
    paths = folder / f"pairing-{count}-client.pcap", folder / f"pairing-{count}-server.pcap"
    records: tuple[list[tuple[int, bytes]], list[tuple[int, bytes]]] = ([], [])
    for number in range(count):
        for step, sent in enumerate(conversation(number)):
            for at_server in (False, True):
                delay_ns = DELAY_NS // 4 if at_server == sent[1] else 0
                moment = sent[0] + delay_ns + (CLOCK_NS if at_server else 0)
                content = frame(number, step, sent, at_server=at_server)
                records[at_server].append((moment, content))
    for path, kept in zip(paths, records, strict=True):
        kept.sort(key=lambda record: record[0])
        with path.open("wb") as file:
            file.write(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262_144, 1))
            for moment, content in kept:
                size = len(content)
                file.write(struct.pack("<IIII", moment // 10**9, moment % 10**9, size, size))
                file.write(content)
    return (*paths, sum(map(len, records)))


def seconds(client: Path, server: Path) -> tuple[float, float]:
    """Return how long a whole process takes, and how long it had a processor."""
    command = [PROGRAM, "diagnose", str(client), str(server), "--json"]
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    wall_s, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall_s, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def goal(text: str, value: float, most: float) -> bool:
    """Print a number beside what it has to be."""
    reached = value <= most
    print(f"{text:48} {value:8.2f}  goal <= {most:g} {'reached' if reached else 'NOT REACHED'}")
    return reached


def main() -> int:
    """Run all of it; return how many goals were missed."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    CACHE.mkdir(parents=True, exist_ok=True)
    few, many = make(CACHE, count // SHARE), make(CACHE, count)
    seconds(*few[:2])  # warms caches up
    (_, short), (wall_s, long) = seconds(*few[:2]), seconds(*many[:2])
    print(f"{count:,} connections, {many[2]:,} packets: {many[2] / long:,.0f} packets/s")
    print(f"a tenth of them: {few[2] / short:,.0f} packets/s; by the clock all took {wall_s:.1f} s")
    reached = [
        goal(f"{count:,} connections, seconds of a processor", long, GOAL_SECONDS),
        goal(f"{SHARE} times the connections / one time", long / short, GOAL_RATIO),
    ]
    return len(reached) - sum(reached)


if __name__ == "__main__":
    sys.exit(min(main(), 1))
