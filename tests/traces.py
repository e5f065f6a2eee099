"""Write two captures of one exchange as text: what one machine sent and what reached the other.

One line is one segment: seconds, the subflow (``0`` is connection 0, ``0.1`` its second subflow;
0 when left out), ``>`` from the client machine or ``<`` from the server machine, its words, and
after ``=>`` how it arrived when it did not arrive as it was sent::

    0.000   > SYN mpc     => -mpc nop=4     the option was overwritten on the way
    0.010   < SYN/ACK     => lost
    0.020   > PSH data=100 dss => flip=7    byte 7 of the stream changed
    0.030 0.1 > SYN join

Words: SYN, SYN/ACK, ACK, PSH, FIN, RST; ``mpc``, ``join``, ``dss``, ``fail``, ``infinite``,
``echo`` (another option), ``own`` (a SYN/ACK's ``mpc`` is that of the SYN), ``badkey`` (the first
key in ``mpc`` is another one), their forms following from the flags and the payload; ``nop=N``,
``eol=N``, ``nots`` (no timestamps), ``nobase`` (no MSS, SACK, window scale), ``data=N`` (the next N
bytes of this direction's stream) with ``at=K`` (again from byte K), ``flip=K``, ``grow=N`` (N
bytes more, at the end or ``inside``), ``badsum``, ``delay=MS``, ``mss=N``, ``ws=N`` (window
scale), ``tsval=N``, ``id=N`` (IP identification), ``ttl=N``, ``tos=N``, ``win=N``, ``urg=N`` (flag
and pointer), ``res=N`` (reserved bits), ``ece`` (flags ECE and CWR), ``opt=K`` (an option of
kind K), ``seq=N`` and ``ack=N`` (are added), ``addaddr``, ``big=K`` (bytes of an unknown option),
``lost`` (after ``=>``) and ``injected`` (only at the receiver).
"""

import hashlib
import hmac
import random
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from mptcp_check.analysis.capture.capture_file import Capture, read
from mptcp_check.analysis.pairing.pair import pair
from mptcp_check.analysis.pairing.paired import Lane, PairedConnection
from mptcp_check.model import Finding
from pcap_frames import pcap_with, tcp_frame

HANDSHAKE = """
    0.000 > SYN mpc
    0.020 < SYN/ACK mpc
    0.040 > ACK mpc
"""
TWO_PATHS = f"""{HANDSHAKE}
    0.041 > PSH data=100 mpc
    0.060 < ACK dss
    0.062 < PSH data=1000 dss
    0.063 < PSH data=1000 dss
    0.082 > ACK dss
    0.100 0.1 > SYN join
    0.120 0.1 < SYN/ACK join
    0.140 0.1 > ACK join
    0.160 0.1 < ACK dss
    0.170 0.1 < PSH data=1000 dss
    0.190 0.1 > ACK dss
    0.300 > FIN
    0.320 < FIN
"""
"""A download over two paths, as nothing disturbs it."""

START_NS = 1_700_000_000_000_000_000
FLAGS = {"SYN": 0x02, "SYN/ACK": 0x12, "ACK": 0x10, "PSH": 0x18, "FIN": 0x11, "RST": 0x14}
_SYN, _ACK = 0x02, 0x10


@dataclass(frozen=True)
class Path:
    """What lies between the two machines, beside what the lines say."""

    delay_ns: int = 10_000_000
    clock_offset_ns: int = 3_000_000_000
    """How far the server's clock is ahead of the client's."""
    seen_by_server: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    """The client's address and port as the server sees them, by subflow (NAT)."""
    isn_shift: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """What is added on the way to the sequence numbers of (client, server), by subflow."""
    snap_bytes: int = 262_144
    shuffle: random.Random | None = None
    """Puts the records of both files in another order, as a merge without care does."""


@dataclass
class _Flow:
    """Where one subflow stands: the sequence numbers of both machines."""

    name: str
    opener: str
    isn: Mapping[str, int]
    sent: dict[str, int] = field(default_factory=lambda: {">": 0, "<": 0})
    """Bytes of each direction's stream sent so far."""
    grown: dict[str, int] = field(default_factory=lambda: {">": 0, "<": 0})
    """By how much a gateway has moved the rest of each stream."""
    finished: dict[str, bool] = field(default_factory=lambda: {">": False, "<": False})

    @property
    def connection(self) -> str:
        return self.name.partition(".")[0]

    @property
    def index(self) -> int:
        return int(self.name.partition(".")[2] or 0)

    def key(self, machine: str) -> bytes:
        """The MPTCP key of a machine, one per connection."""
        return hashlib.sha256(f"key {self.connection} {machine}".encode()).digest()[:8]

    def nonce(self, machine: str) -> bytes:
        return hashlib.sha256(f"nonce {self.name} {machine}".encode()).digest()[:4]


def stream(name: str, machine: str, start: int, count: int) -> bytes:
    """Bytes of one direction of one subflow: the same for the same place, whoever asks."""
    salt = hashlib.sha256(f"{name} {machine}".encode()).digest()
    return bytes(
        salt[i % 32] ^ (i * 7 & 0xFF) ^ (i >> 8 & 0xFF) for i in range(start, start + count)
    )


def pcaps(text: str, path: Path | None = None) -> tuple[bytes, bytes]:
    """Return the capture files of the client and of the server, in the order of their times."""
    path = path or Path()
    flows: dict[str, _Flow] = {}
    records: dict[str, list[tuple[int, bytes]]] = {">": [], "<": []}
    for number, line in enumerate(filter(None, map(str.strip, text.splitlines()))):
        left, _, right = line.partition("=>")
        time_s, *words = left.split()
        name = "0" if words[0] in "<>" else words.pop(0)
        machine, *words = words
        flow = flows.setdefault(name, _flow(name, machine))
        sent_ns = START_NS + round(float(time_s) * 1e9)
        arrived = _merge(words, right.split())
        delay_ns = int(_value(arrived, "delay", path.delay_ns // 10**6)) * 10**6
        clock = {">": 0, "<": path.clock_offset_ns}
        other = "<" if machine == ">" else ">"
        before = dict(flow.sent), dict(flow.finished)
        if "injected" not in words:
            here = _frame(flow, machine, words, path, number, at=machine)
            records[machine].append((sent_ns + clock[machine], here))
            after = dict(flow.sent), dict(flow.finished)
            flow.sent, flow.finished = dict(before[0]), dict(before[1])
        else:
            after = before
        if "lost" not in arrived:
            there = _frame(flow, machine, arrived, path, number, at=other)
            records[other].append((sent_ns + delay_ns + clock[other], there))
        flow.sent, flow.finished = after
    for each in records.values():
        each.sort(key=lambda record: record[0])
        if path.shuffle is not None:
            path.shuffle.shuffle(each)
    return (
        pcap_with(records[">"], snap_bytes=path.snap_bytes),
        pcap_with(records["<"], snap_bytes=path.snap_bytes),
    )


def captures(text: str, path: Path | None = None) -> tuple[Capture, Capture]:
    """Return both captures, read as the engine reads files."""
    client, server = pcaps(text, path)
    return read(client), read(server)


Detector = Callable[[PairedConnection], Finding]


def finding(detect: Detector, text: str, path: Path | None = None) -> Finding:
    """Return what a detector says of a trace's first connection, seen at both ends."""
    client, server = captures(text, path)
    return detect(pair(client, server)[0])


def finding_lane(text: str, path: Path | None = None) -> Lane:
    """Return the opener's lane of a trace's first connection."""
    return pair(*captures(text, path))[0].subflows[0].opener


def one_sided(detect: Detector, text: str) -> Finding:
    """Return what a detector says of a trace's first connection by the client's capture alone."""
    return detect(pair(captures(text)[0], None)[0])


def _flow(name: str, opener: str) -> _Flow:
    digest = hashlib.sha256(f"isn {name}".encode()).digest()
    isn = {">": int.from_bytes(digest[:4]), "<": int.from_bytes(digest[4:8])}
    return _Flow(name=name, opener=opener, isn=isn)


def _merge(words: Sequence[str], changes: Sequence[str]) -> list[str]:
    removed = {change[1:] for change in changes if change.startswith("-")}
    kept = [w for w in words if w.partition("=")[0] not in removed]
    return [*kept, *(change for change in changes if not change.startswith("-"))]


def _value(words: Sequence[str], name: str, default: int | None = None) -> int:
    found = [int(w.partition("=")[2]) for w in words if w.startswith(f"{name}=")]
    if not found and default is None:
        raise KeyError(name)
    return found[-1] if found else int(default or 0)


def _frame(
    flow: _Flow, machine: str, words: Sequence[str], path: Path, number: int, *, at: str
) -> bytes:
    """Build one Ethernet frame as the machine `at` captures it, and move the flow on."""
    other = "<" if machine == ">" else ">"
    flags = next(FLAGS[w] for w in words if w in FLAGS)
    count = _value(words, "data", 0)
    start = _value(words, "at", flow.sent[machine])
    payload = bytearray(stream(flow.name, machine, start, count))
    for flip in (int(w[5:]) for w in words if w.startswith("flip=")):
        if start <= flip < start + count:
            payload[flip - start] ^= 0x20
    inside = count // 2 if "inside" in words else count
    payload[inside:inside] = b"+" * _value(words, "grow", 0)
    first = 0 if flags & _SYN else 1 + start
    after_fin = int(flow.finished[machine] and not count and not flags & _SYN)
    seq = flow.isn[machine] + first + after_fin
    ack = flow.isn[other] + 1 + flow.sent[other] + int(flow.finished[other])
    if at == "<":
        shift = path.isn_shift.get(flow.name, (0, 0))
        seq += shift[0] if machine == ">" else shift[1]
        ack += shift[1] if machine == ">" else shift[0]
    if at != machine:
        seq += flow.grown[machine]
        ack -= flow.grown[other]
        flow.grown[machine] += _value(words, "grow", 0)
    flow.sent[machine] = max(flow.sent[machine], start + count)
    if flags & 0x01:
        flow.finished[machine] = True
    options = _options(flow, machine, flags, words, start=start, count=count, number=number)
    ends = {">": (f"10.77.{flow.index}.1", _port(flow, ">")), "<": ("10.77.0.2", _port(flow, "<"))}
    if at == "<":
        ends[">"] = path.seen_by_server.get(flow.name, ends[">"])
    return tcp_frame(
        ends[machine],
        ends[other],
        seq=seq + _value(words, "seq", 0),
        ack=ack + _value(words, "ack", 0) if flags & _ACK else 0,
        flags=flags | _value(words, "res", 0) << 9 | 0xC0 * ("ece" in words),
        options=options,
        payload=bytes(payload),
        ip_id=_value(words, "id", number + 1),
        ttl=_value(words, "ttl", 64),
        tos=_value(words, "tos", 0),
        window=_value(words, "win", 64_240),
        urgent=_value(words, "urg", 0),
        checksum_error=int("badsum" in words),
    )


def _port(flow: _Flow, machine: str) -> int:
    ephemeral = 40_000 + 10 * int(flow.connection) + flow.index
    return ephemeral if machine == flow.opener else 80


def _options(
    flow: _Flow,
    machine: str,
    flags: int,
    words: Sequence[str],
    *,
    start: int,
    count: int,
    number: int,
) -> bytes:
    parts: list[bytes] = []
    if flags & _SYN and "nobase" not in words:
        mss = _value(words, "mss", 1460)
        scale = _value(words, "ws", 7)
        parts += [struct.pack("!BBH", 2, 4, mss), b"\x04\x02", bytes([1, 3, 3, scale])]
    if "nots" not in words:
        tsval = _value(words, "tsval", 1000 + number)
        prefix = b"" if flags & _SYN and "nobase" not in words else b"\x01\x01"
        parts.append(prefix + struct.pack("!BBII", 8, 10, tsval, 500))
    parts += _rare_options(flow, machine, flags, words, start=start, count=count)
    parts.append(b"\x01" * _value(words, "nop", 0))
    options = b"".join(parts)
    options += b"\x00" * _value(words, "eol", 0)
    return options + b"\x00" * (-len(options) % 4)


def _rare_options(
    flow: _Flow, machine: str, flags: int, words: Sequence[str], *, start: int, count: int
) -> list[bytes]:
    """Build what a segment carries besides the base options, in the order of this table."""
    other = "<" if machine == ">" else ">"
    kind, size = _value(words, "opt", 0), _value(words, "big", 0)
    rows: tuple[tuple[bool, Callable[[], bytes]], ...] = (
        ("mpc" in words, lambda: _mp_capable(flow, machine, flags, count, words)),
        ("join" in words, lambda: _mp_join(flow, machine, flags)),
        ("dss" in words, lambda: _dss(flow, machine, other, start, count)),
        (
            "infinite" in words,
            lambda: struct.pack("!BBBBIIIH", 30, 18, 0x20, 0x05, 1, 1, 0, 0),
        ),
        # kind 6, obsolete: something else in the place of an option
        ("echo" in words, lambda: bytes([6, 4, 1, 1])),
        ("fail" in words, lambda: struct.pack("!BBBBQ", 30, 12, 0x60, 0, 1)),
        ("addaddr" in words, lambda: bytes([30, 16, 0x30, 2, 10, 78, 0, 2]) + bytes(range(8))),
        (kind > 0, lambda: bytes([kind, 4, 0xCA, 0xFE])),
        (size > 0, lambda: bytes([254, size]) + bytes(size - 2)),
    )
    return [build() for wanted, build in rows if wanted]


def _mp_capable(flow: _Flow, machine: str, flags: int, count: int, words: Sequence[str]) -> bytes:
    other = "<" if machine == ">" else ">"
    match flags & (_SYN | _ACK):
        case 0x02:
            return bytes([30, 4, 0x01, 0x01])
        case 0x12 if "own" in words:
            return bytes([30, 4, 0x01, 0x01])
        case 0x12:
            key = bytearray(flow.key(machine))
            key[0] ^= 0x55 * ("badkey" in words)
            return bytes([30, 12, 0x01, 0x01]) + key
        case _:
            keys = flow.key(machine) + flow.key(other)
            if "badkey" in words:
                keys = bytes([keys[0] ^ 0x55]) + keys[1:]
            if count:
                return bytes([30, 22, 0x01, 0x01]) + keys + struct.pack("!H", count)
            return bytes([30, 20, 0x01, 0x01]) + keys


def _mp_join(flow: _Flow, machine: str, flags: int) -> bytes:
    other = "<" if machine == ">" else ">"
    digest = hmac.new(
        flow.key(machine) + flow.key(other),
        flow.nonce(machine) + flow.nonce(other),
        hashlib.sha256,
    ).digest()
    match flags & (_SYN | _ACK):
        case 0x02:
            token = hashlib.sha256(flow.key(other)).digest()[:4]
            return bytes([30, 12, 0x10, flow.index]) + token + flow.nonce(machine)
        case 0x12:
            return bytes([30, 16, 0x10, flow.index]) + digest[:8] + flow.nonce(machine)
        case _:
            return bytes([30, 24, 0x10, 0x00]) + digest[:20]


def _dss(flow: _Flow, machine: str, other: str, start: int, count: int) -> bytes:
    data_ack = int.from_bytes(hashlib.sha256(flow.key(other)).digest()[-4:])
    ack = (data_ack + 1 + flow.sent[other]) & 0xFFFFFFFF
    if not count:
        return struct.pack("!BBBBI", 30, 8, 0x20, 0x01, ack)
    dsn = (int.from_bytes(hashlib.sha256(flow.key(machine)).digest()[-4:]) + 1 + start) & 0xFFFFFFFF
    return struct.pack("!BBBBIIIH", 30, 18, 0x20, 0x05, ack, dsn, start + 1, count) + b"\x01\x01"
