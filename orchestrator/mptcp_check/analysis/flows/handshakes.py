"""What the MPTCP options of each TCP connection's handshake say: RFC 8684, sections 3.1 and 3.2.

Of each step of a handshake the first option counts.  They are kept as rows of one table, some 90
bytes each, since a capture may hold millions of them; as values they are made when asked for.
"""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from mptcp_check.analysis.capture.column_types import SIGNAL_TYPES, Column
from mptcp_check.analysis.capture.packets import (
    Flag,
    OptionProblem,
    Packets,
    Present,
    SignalOptions,
    Subtype,
)

CHECKSUM_REQUIRED: Final = 0x80
"""Flag A of MP_CAPABLE: RFC 8684, section 3.1."""
BACKUP: Final = 0x01
"""Flag B of MP_JOIN: RFC 8684, section 3.2."""

# Plain numbers, as columns have them.
SYN: Final = int(Flag.SYN)
ACK: Final = int(Flag.ACK)
KEY: Final = int(Present.KEY)
PEER_KEY: Final = int(Present.PEER_KEY)
HMAC_160: Final = int(Present.HMAC_160)
ADDRESS: Final = int(Present.ADDRESS)
MP_CAPABLE: Final = int(Subtype.MP_CAPABLE)
MP_JOIN: Final = int(Subtype.MP_JOIN)
ADD_ADDR: Final = int(Subtype.ADD_ADDR)
MP_FASTCLOSE: Final = int(Subtype.MP_FASTCLOSE)

IPV4: Final = 4
JOIN_SYN_BYTES: Final = 12
JOIN_SYN_ACK_BYTES: Final = 16
JOIN_ACK_BYTES: Final = 24
LONG_HMAC_BYTES: Final = 20
SHORT_HMAC_BYTES: Final = 8

STEPS: Final = 6
CAPABLE_SYN, CAPABLE_SYNACK, CAPABLE_ACK, JOIN_SYN, JOIN_SYNACK, JOIN_ACK = range(STEPS)
"""The steps that have an option of their own: columns of `Handshakes`."""
NO_STEP: Final = -1
NO_OPTION: Final = -1

COPIED: Final = ("length", "version", "flags", "present", "key", "peer_key", "address_id")
"""Columns of `packets.SignalOptions` that are kept of every option."""
COPIED_OF_FEW: Final = (
    *("token", "nonce", "address_family", "address_high", "address_low", "port"),
)
"""Columns that say nothing of an MP_CAPABLE, which most options are."""
OPTION: Final = np.dtype(
    [
        *((name, SIGNAL_TYPES[name]) for name in COPIED),
        ("row", "uint32"),
        ("packet", "uint32"),
        ("end", "uint8"),
        ("further", "uint32"),  # its row in the other table; 0 is an empty one
    ]
)
FURTHER: Final = np.dtype(
    [
        *((name, SIGNAL_TYPES[name]) for name in COPIED_OF_FEW),
        ("hmac_bytes", "uint8"),
        ("hmac", f"V{LONG_HMAC_BYTES}"),
    ]
)
"""What is kept of an option, and what more of those other than MP_CAPABLE."""
FIRST_OPTIONS: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """One option of a handshake: a row of `packets.SignalOptions` as a value."""

    row: int
    """Row in ``packets.signals``."""
    packet: int
    """Row in `Packets` of the segment."""
    length: int
    version: int
    flags: int
    present: int
    """`packets.Present` bits."""
    key: int
    peer_key: int
    token: int
    nonce: int
    hmac: bytes
    """8 or 20 bytes; empty if the option has none or it was cut."""
    address_id: int
    end: int
    """The end that sent it."""
    address: bytes
    """ADD_ADDR's address, 4 or 16 bytes in network order; empty without one."""
    port: int


@dataclass(slots=True, kw_only=True)
class Handshake:
    """The options of one TCP connection's handshake, the first of each kind; none if absent.

    What follows from them is in `keys.HandshakeColumns`.
    """

    capable_syn: Signal | None = None
    capable_synack: Signal | None = None
    capable_ack: Signal | None = None
    """The opener's first MP_CAPABLE with both keys: third ACK, or first data (version 1)."""
    join_syn: Signal | None = None
    join_synack: Signal | None = None
    join_ack: Signal | None = None
    add_addrs: list[Signal] = field(default_factory=list)
    """Announcements with an HMAC, of either end."""
    fastclose: bool = False
    """An MP_FASTCLOSE was sent by either end."""


class Handshakes:
    """The handshake options of all TCP connections of a capture, taken batch by batch."""

    def __init__(self) -> None:
        self._options: npt.NDArray[np.void] = np.zeros(FIRST_OPTIONS, OPTION)
        self._option_count = 0
        self._further: npt.NDArray[np.void] = np.zeros(FIRST_OPTIONS, FURTHER)
        self._further_count = 1
        self._steps = np.full((0, STEPS), NO_OPTION, np.int32)
        self._fastclose = np.zeros(0, np.bool_)
        self._announcements: dict[int, list[int]] = {}
        self._announced: set[bytes] = set()

    def take(self, packets: Packets, flows: Column, ends: Column, by_opener: Column) -> None:
        """Add the options of a batch of segments to those of the batches before.

        Args:
            packets: The batch; what follows has a row for each of its ``signals``.
            flows: Its TCP connection; `make_room` was told of it.
            ends: The end that sent it.
            by_opener: That is the end which opened the TCP connection.
        """
        table = packets.signals
        rows = _rows(packets)
        owners, ends, by_opener = flows[rows], ends[rows], by_opener[rows]
        carriers = table.packet[rows]
        step = _step(table, rows, packets.flags[carriers] & (SYN | ACK), by_opener)
        for number in np.unique(step[step != NO_STEP]).tolist():
            places = np.flatnonzero((step == number) & (self._steps[owners, number] < 0))
            places = places[np.unique(owners[places], return_index=True)[1]]
            first = self._keep(packets, rows[places], ends[places])
            self._steps[owners[places], number] = np.arange(first, first + len(places))
        self._fastclose[owners[table.subtype[rows] == MP_FASTCLOSE]] = True
        announced = np.flatnonzero(
            (table.subtype[rows] == ADD_ADDR) & (table.hmac_offset[rows] >= 0)
        )
        if len(announced):
            self._announce(packets, rows[announced], owners[announced], ends[announced])

    def indexes(self, step: int, flows: Column | slice) -> Column:
        """Return which option each TCP connection has in a step, `NO_OPTION` if none."""
        found: Column = self._steps[flows, step]
        return found

    def cells(self, name: str, indexes: Column) -> Column:
        """Return a column of chosen options; 0 where there is none."""
        there = np.maximum(indexes, 0)
        if name in COPIED_OF_FEW:
            column = self._further[name][self._options["further"][there]]
        else:
            column = self._options[name][there]
        found: Column = np.where(indexes >= 0, column, column.dtype.type(0))
        return found

    def fastclosed(self, flows: Column | slice) -> Column:
        """Say of each TCP connection whether either end sent an MP_FASTCLOSE."""
        found: Column = self._fastclose[flows]
        return found

    @property
    def announcing(self) -> list[int]:
        """TCP connections in which an ADD_ADDR with an HMAC was sent."""
        return list(self._announcements)

    def handshake(self, flow: int) -> Handshake:
        """Return the options of one TCP connection's handshake."""
        steps = [
            None if index == NO_OPTION else self._signal(index)
            for index in self._steps[flow].tolist()
        ]
        return Handshake(
            capable_syn=steps[CAPABLE_SYN],
            capable_synack=steps[CAPABLE_SYNACK],
            capable_ack=steps[CAPABLE_ACK],
            join_syn=steps[JOIN_SYN],
            join_synack=steps[JOIN_SYNACK],
            join_ack=steps[JOIN_ACK],
            add_addrs=[self._signal(index) for index in self._announcements.get(flow, ())],
            fastclose=bool(self._fastclose[flow]),
        )

    def release(self) -> None:
        """Forget all options, as nobody asks for them after this."""
        for table in (self._options, self._further, self._steps):
            table.resize(0, refcheck=False)
        self._announcements.clear()
        self._announced.clear()

    def make_room(self, flows: int) -> None:
        """Have a row for so many TCP connections."""
        known = len(self._steps)
        if flows > known:
            # In place, as the system only moves pages for it: a copy would take twice the memory.
            room = max(flows, known * 9 // 8)
            self._steps.resize((room, STEPS), refcheck=False)
            self._steps[known:] = NO_OPTION
            self._fastclose.resize(room, refcheck=False)

    def _keep(self, packets: Packets, rows: Column, ends: Column) -> int:
        """Keep options; return the index of the first one."""
        table, first = packets.signals, self._option_count
        self._option_count += len(rows)
        _lengthen(self._options, self._option_count)
        kept = self._options[first : self._option_count]
        for name in COPIED:
            kept[name] = getattr(table, name)[rows]
        kept["row"], kept["packet"], kept["end"] = rows, table.packet[rows], ends
        few = np.flatnonzero(table.subtype[rows] != MP_CAPABLE)
        kept["further"][few] = np.arange(self._further_count, self._further_count + len(few))
        self._keep_further(packets, rows[few])
        return first

    def _keep_further(self, packets: Packets, rows: Column) -> None:
        table, first = packets.signals, self._further_count
        self._further_count += len(rows)
        _lengthen(self._further, self._further_count)
        kept = self._further[first : self._further_count]
        for name in COPIED_OF_FEW:
            kept[name] = getattr(table, name)[rows]
        at = table.hmac_offset[rows]
        sizes = np.where(table.present[rows] & HMAC_160 != 0, LONG_HMAC_BYTES, SHORT_HMAC_BYTES)
        kept["hmac_bytes"] = np.where(at >= 0, sizes, 0)
        proving = np.flatnonzero(at >= 0)
        places = at[proving, None] + np.arange(LONG_HMAC_BYTES)
        octets = packets.buffer[np.minimum(places, len(packets.buffer) - 1)]
        kept["hmac"][proving] = octets.view(kept["hmac"].dtype)[:, 0]

    def _announce(self, packets: Packets, rows: Column, owners: Column, ends: Column) -> None:
        """Keep ADD_ADDRs with an HMAC: an address is announced until it is echoed, each once."""
        names = ("hmac", "address_high", "address_low", "port", "address_id")
        content = [owners, ends, *(getattr(packets.signals, name)[rows] for name in names)]
        keys = np.column_stack([column.astype(np.uint64) for column in content])
        distinct = np.sort(np.unique(keys, axis=0, return_index=True)[1])
        for place in distinct.tolist():
            key = keys[place].tobytes()
            if key in self._announced:
                continue
            self._announced.add(key)
            index = self._keep(packets, rows[place : place + 1], ends[place : place + 1])
            self._announcements.setdefault(int(owners[place]), []).append(index)

    def _signal(self, index: int) -> Signal:
        # in the order of `OPTION` and of `FURTHER`
        (length, version, flags, present, key, peer_key, address_id, row, packet, end, further) = (
            self._options[index].item()
        )
        token, nonce, family, high, low, port, hmac_bytes, hmac = self._further[further].item()
        address = b""
        if present & ADDRESS:
            address = (high << 64 | low).to_bytes(16, "big")[-4 if family == IPV4 else 0 :]
        return Signal(
            row=row,
            packet=packet,
            length=length,
            version=version,
            flags=flags,
            present=present,
            key=key,
            peer_key=peer_key,
            token=token,
            nonce=nonce,
            hmac=bytes(hmac)[:hmac_bytes],
            address_id=address_id,
            end=end,
            address=address,
            port=port,
        )


def _lengthen(table: npt.NDArray[np.void], rows: int) -> None:
    """Give a table room for so many rows, in place: see `make_room`."""
    if rows > len(table):
        table.resize(max(rows, len(table) * 9 // 8), refcheck=False)


def _rows(packets: Packets) -> Column:
    """Return the rows of the options that matter, in the order of time."""
    table = packets.signals
    wanted = np.isin(table.subtype, (MP_CAPABLE, MP_JOIN, ADD_ADDR, MP_FASTCLOSE))
    wanted &= np.isin(table.problem, (OptionProblem.NONE, OptionProblem.CUT))
    rows = np.flatnonzero(wanted)
    return rows[np.argsort(packets.time_ns[table.packet[rows]], kind="stable")]


def _step(table: SignalOptions, rows: Column, flags: Column, by_opener: Column) -> Column:
    """Return the step of a handshake that each option stands in.

    MP_CAPABLE by the flags of its segment, as SYN and SYN/ACK of version 0 look the same; each
    step of MP_JOIN has a form, and a length, of its own (figures 5 to 7).
    """
    subtype, length = table.subtype[rows], table.length[rows]
    with_peers_key = table.present[rows] & PEER_KEY != 0
    capable, join = subtype == MP_CAPABLE, subtype == MP_JOIN
    third = (flags != SYN) & (flags != SYN | ACK)
    return np.select(
        [
            capable & (flags == SYN),
            capable & (flags == SYN | ACK),
            capable & third & by_opener & with_peers_key,
            join & by_opener & (length == JOIN_SYN_BYTES),
            join & ~by_opener & (length == JOIN_SYN_ACK_BYTES),
            join & by_opener & (length == JOIN_ACK_BYTES),
        ],
        range(STEPS),
        default=NO_STEP,
    )
