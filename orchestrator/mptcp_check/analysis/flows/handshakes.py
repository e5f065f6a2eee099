"""What the MPTCP options of each TCP connection's handshake say: RFC 8684, sections 3.1 and 3.2.

Only the options matter here and they are few: three of MP_CAPABLE or three of MP_JOIN per
connection, so this part is plain Python over the rows of `packets.SignalOptions`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.capture.packets import Flag, OptionProblem, Packets, Present, Subtype
from mptcp_check.analysis.flows.grouping import Flows

CHECKSUM_REQUIRED: Final = 0x80
"""Flag A of MP_CAPABLE: RFC 8684, section 3.1."""
BACKUP: Final = 0x01
"""Flag B of MP_JOIN: RFC 8684, section 3.2."""

# Plain numbers: an operation on an enumeration takes twenty times as long, and there is one per
# option and connection.
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
    """The options of one TCP connection's handshake, the first of each kind; none if absent."""

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

    @property
    def answered(self) -> bool:
        """Whether the SYN/ACK has MP_CAPABLE with a key that is not the SYN's, sent back."""
        synack, syn = self.capable_synack, self.capable_syn
        if synack is None or not synack.present & KEY:
            return False
        return syn is None or not syn.present & KEY or syn.key != synack.key

    @property
    def capable(self) -> bool:
        """Whether all three steps carried MP_CAPABLE, and the SYN/ACK a key of its own."""
        return bool(self.capable_syn and self.answered and self.capable_ack)

    @property
    def began(self) -> bool:
        """Whether any SYN or SYN/ACK had MP_CAPABLE or MP_JOIN."""
        return any((self.capable_syn, self.capable_synack, self.join_syn, self.join_synack))

    @property
    def joining(self) -> bool:
        """Whether this is a further subflow: any form of MP_JOIN and no MP_CAPABLE in the SYN."""
        steps = (self.join_syn, self.join_synack, self.join_ack)
        return any(steps) and self.capable_syn is None

    @property
    def joined(self) -> bool:
        """Whether all three steps carried their form of MP_JOIN."""
        return bool(self.join_syn and self.join_synack and self.join_ack)


def handshakes(packets: Packets, flows: Flows) -> dict[int, Handshake]:
    """Collect the handshake options of every TCP connection that has any kind-30 signal.

    Args:
        packets: A capture's segments.
        flows: The same, grouped.

    Returns:
        By connection (row of `flows`); connections without such options are left out.
    """
    found: dict[int, Handshake] = {}
    collect(found, packets, flows.flow_of, flows.end_of, flows.opener)
    return found


def collect(
    found: dict[int, Handshake],
    packets: Packets,
    flow_of: Column,
    end_of: Column,
    openers: Column,
) -> None:
    """Add the handshake options of a batch of segments to those of the batches before.

    Args:
        found: By connection; updated.
        packets: The batch.
        flow_of: The connection of each segment.
        end_of: The end that sent it.
        openers: The end of each connection that opened it.
    """
    rows = _first_rows(packets, flow_of, end_of)
    carriers = packets.signals.packet[rows]
    owners = flow_of[carriers]
    ends = end_of[carriers]
    places = zip(
        owners.tolist(),
        (ends == openers[owners]).tolist(),
        packets.flags[carriers].tolist(),
        packets.signals.subtype[rows].tolist(),
        _signals(packets, rows, ends),
        strict=True,
    )
    for flow, by_opener, flags, subtype, signal in places:
        handshake = found.get(flow)
        if handshake is None:
            handshake = found[flow] = Handshake()
        if subtype == MP_CAPABLE:
            _take_capable(handshake, signal, flags, by_opener=by_opener)
        elif subtype == MP_JOIN:
            _take_join(handshake, signal, by_opener=by_opener)
        elif subtype == ADD_ADDR:
            _take_announcement(handshake, signal)
        else:
            handshake.fastclose = True


def _first_rows(packets: Packets, flow_of: Column, end_of: Column) -> Column:
    """Return the rows of the options that matter, in the order of time.

    Of each form of option only the first one that either end of a connection sent matters, the
    others are copies.  An address is announced until it is echoed: each one counts once, too.
    """
    table = packets.signals
    wanted = np.isin(table.subtype, (MP_CAPABLE, MP_JOIN, ADD_ADDR, MP_FASTCLOSE))
    wanted &= np.isin(table.problem, (OptionProblem.NONE, OptionProblem.CUT))
    rows = np.flatnonzero(wanted)
    rows = rows[np.argsort(packets.time_ns[table.packet[rows]], kind="stable")]
    carriers = table.packet[rows]
    senders = 2 * flow_of[carriers] + end_of[carriers]
    steps = packets.flags[carriers] & (SYN | ACK)
    form = (senders << 32) | (table.subtype[rows].astype(np.int64) << 24)
    form |= (steps.astype(np.int64) << 8) | table.length[rows]
    announced = table.subtype[rows] == ADD_ADDR
    places = np.flatnonzero(~announced)
    kept = [places[np.unique(form[places], return_index=True)[1]]]
    places = np.flatnonzero(announced)
    names = ("hmac", "address_high", "address_low", "port", "address_id")
    content = [getattr(table, name)[rows[places]].astype(np.uint64) for name in names]
    whole = np.column_stack([form[places].astype(np.uint64), *content])
    kept.append(places[np.unique(whole, axis=0, return_index=True)[1]])
    return rows[np.sort(np.concatenate(kept))]


def _take_capable(handshake: Handshake, signal: Signal, flags: int, *, by_opener: bool) -> None:
    """Place an MP_CAPABLE: by the flags of its segment, as SYN and SYN/ACK of v0 look the same."""
    step = flags & (SYN | ACK)
    if step == SYN:
        handshake.capable_syn = handshake.capable_syn or signal
    elif step == SYN | ACK:
        handshake.capable_synack = handshake.capable_synack or signal
    elif by_opener and signal.present & PEER_KEY:
        handshake.capable_ack = handshake.capable_ack or signal


def _take_join(handshake: Handshake, signal: Signal, *, by_opener: bool) -> None:
    """Place an MP_JOIN: each step has a form, and a length, of its own (figures 5 to 7)."""
    if signal.length == JOIN_SYN_BYTES and by_opener:
        handshake.join_syn = handshake.join_syn or signal
    elif signal.length == JOIN_SYN_ACK_BYTES and not by_opener:
        handshake.join_synack = handshake.join_synack or signal
    elif signal.length == JOIN_ACK_BYTES and by_opener:
        handshake.join_ack = handshake.join_ack or signal


def _take_announcement(handshake: Handshake, signal: Signal) -> None:
    """Keep an ADD_ADDR with an HMAC, unless the same one came in an earlier batch."""
    if not signal.hmac:
        return
    content = (signal.end, signal.address_id, signal.address, signal.port, signal.hmac)
    for known in handshake.add_addrs:
        if content == (known.end, known.address_id, known.address, known.port, known.hmac):
            return
    handshake.add_addrs.append(signal)


def _signals(packets: Packets, rows: Column, ends: Column) -> Iterator[Signal]:
    """Yield rows of the option table as values."""
    table, octets = packets.signals, packets.buffer
    columns = (
        table.packet,
        table.length,
        table.version,
        table.flags,
        table.present,
        table.key,
        table.peer_key,
        table.token,
        table.nonce,
        table.hmac_offset,
        table.address_id,
        table.address_family,
        table.address_high,
        table.address_low,
        table.port,
    )
    # One conversion per column: a NumPy scalar per cell would take ten times as long.
    cells = zip(rows.tolist(), *(column[rows].tolist() for column in columns), strict=True)
    for cell, end in zip(cells, ends.tolist(), strict=True):
        row, packet, length, version, flags, present, key, peer, token, nonce, at, id_ = cell[:12]
        family, high, low, port = cell[12:]
        size = 20 if present & HMAC_160 else 8
        address = b""
        if present & ADDRESS:
            address = (high << 64 | low).to_bytes(16, "big")[-4 if family == IPV4 else 0 :]
        yield Signal(
            row=row,
            packet=packet,
            length=length,
            version=version,
            flags=flags,
            present=present,
            key=key,
            peer_key=peer,
            token=token,
            nonce=nonce,
            hmac=octets[at : at + size].tobytes() if at >= 0 else b"",
            address_id=id_,
            end=end,
            address=address,
            port=port,
        )
