"""The segments of all lanes of two captures as columns, with places that both ends share.

Lane ``2 * n`` is direction c2s of subflow ``n``, lane ``2 * n + 1`` is s2c; so ``lane ^ 1`` is the
way back.  All that follows works on whole columns: ten thousand subflows cost what their packets
cost.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from mptcp_check.analysis.capture.capture_file import Capture
from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.capture.kernels import readable
from mptcp_check.analysis.capture.packets import TCP_HEADER_BYTES, Flag
from mptcp_check.analysis.one_way.crossing_kernel import TIMESTAMPS_KIND, digest_options
from mptcp_check.analysis.pairing.byte_stream import shift_between
from mptcp_check.analysis.pairing.paired import Clue, Half, Lane, PairedSubflow
from mptcp_check.model import Direction, Side

SPACE: Final = 1 << 32
HALF_SPACE: Final = 1 << 31
LANE_STRIDE: Final = 1 << 40
"""Between lanes where place and lane are one number: room for four million subflows."""
PLACE_LIMIT: Final = (1 << 39) - 1
"""Longer than a stream between two captures can be: 512 GiB."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Segments:
    """Segments of all lanes at one end, by lane and then by time."""

    lane: Column
    """int64, never decreasing."""
    at_server: Column
    """bool: the server machine's capture holds it."""
    row: Column
    """int64: row in that capture."""
    time_ns: Column
    """int64, by that capture's clock."""
    place: Column
    """int64: first byte in the stream, as the sender counts."""
    length: Column
    """int64: payload."""
    flags: Column
    """int64."""
    ack: Column
    """int64: 32 bits of the acknowledged place in the stream of the way back, as its sender
    counts; -1 without one."""
    stamp: Column
    """int64: TSval, -1 without one."""
    ip_id: Column
    """int64: 0 where it is not used."""
    digest: Column
    """int64: equal for equal option lists."""
    frame: Column
    """int64."""

    def __len__(self) -> int:
        """Return the count of segments."""
        return len(self.lane)

    @property
    def end(self) -> Column:
        """int64: the place whose acknowledgement covers it; FIN takes one."""
        return np.asarray(self.place + self.length + ((self.flags & Flag.FIN) != 0))

    @property
    def elicits(self) -> Column:
        """bool: the receiver acknowledges it."""
        return np.asarray((self.length > 0) | ((self.flags & (Flag.SYN | Flag.FIN)) != 0))

    @property
    def span(self) -> tuple[Column, Column]:
        """First place and the one after the last, of all lanes in one number space."""
        return overall(self.lane, self.place), overall(self.lane, self.end)


def overall(lane: Column, place: Column) -> Column:
    """Return lane and place as one number; places of one lane stay in their order."""
    inside = np.clip(place, -PLACE_LIMIT, PLACE_LIMIT)
    return np.asarray(lane * LANE_STRIDE + inside + PLACE_LIMIT)


def difference(a: Column | int, b: Column | int) -> Column:
    """Return the signed distance of sequence numbers from `b` to `a`: RFC 9293, section 3.4."""
    return np.asarray((a - b + HALF_SPACE) % SPACE - HALF_SPACE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Aligned:
    """A subflow whose two views can be laid beside each other."""

    lanes: tuple[Lane, Lane]
    shifts: tuple[int, int]
    """Added to the receiver's places to make them the sender's, by lane."""


def aligned(subflow: PairedSubflow) -> Aligned | None:
    """Lay the two views of a subflow beside each other; none where nothing tells how."""
    lanes = subflow.lanes[Direction.C2S], subflow.lanes[Direction.S2C]
    shifts = tuple(_shift(lane, subflow.paired_by) for lane in lanes)
    if shifts[0] is None or shifts[1] is None:
        return None
    return Aligned(lanes=lanes, shifts=(shifts[0], shifts[1]))


def _shift(lane: Lane, clues: Sequence[Clue]) -> int | None:
    sent, received = lane.sent, lane.received
    if sent is None or received is None:
        return None
    starts = _origin(sent), _origin(received)
    if (
        starts[0] is None
        or starts[1] is None
        or (sent.isn is not None and received.isn is not None)
    ):
        return 0
    if Clue.SEQUENCE in clues:
        return int(difference(starts[1], starts[0]))
    return shift_between(sent, received)


def _origin(half: Half) -> int | None:
    """Return the sequence number of place 0 at this end, 32 bits."""
    if half.isn is not None:
        return (half.isn + 1) % SPACE
    if not len(half.rows):
        return None
    packets, row = half.capture.packets, half.rows[0]
    syn = bool(packets.flags[row] & Flag.SYN)
    return (int(packets.seq[row]) + syn - int(half.starts[0])) % SPACE


def at_sender(subflows: Sequence[Aligned]) -> Segments:
    """Return what the senders' captures hold."""
    return _segments(subflows, received=False)


def at_receiver(subflows: Sequence[Aligned]) -> Segments:
    """Return what the receivers' captures hold."""
    return _segments(subflows, received=True)


def _segments(subflows: Sequence[Aligned], *, received: bool) -> Segments:
    halves: list[Half] = []
    back: list[int] = []
    shifts: list[int] = []
    for subflow in subflows:
        for index, lane in enumerate(subflow.lanes):
            half = lane.received if received else lane.sent
            other = subflow.lanes[1 - index]
            # the same capture's half of the way back: what it received if this is what it sent
            opposite = other.sent if received else other.received
            if half is None or opposite is None:  # `aligned` lets none through
                raise ValueError("a lane without a half cannot be laid beside another")
            halves.append(half)
            shifts.append(subflow.shifts[index] if received else 0)
            origin = _origin(opposite)
            correction = 0 if received else subflow.shifts[1 - index]
            back.append(-1 if origin is None else (origin - correction) % SPACE)
    sizes = np.array([len(half.rows) for half in halves], np.int64)
    lanes = np.repeat(np.arange(len(halves)), sizes)
    rows = _joined([half.rows for half in halves])
    place = _joined([half.starts for half in halves]) + np.repeat(np.array(shifts, np.int64), sizes)
    server = np.array([half.side is Side.SERVER for half in halves], np.bool_)
    at_server = np.repeat(server, sizes)
    captures = {half.side: half.capture for half in halves}
    columns = _columns(captures, rows, at_server)
    origin_of_acks = np.repeat(np.array(back, np.int64), sizes)
    acknowledges = ((columns["flags"] & Flag.ACK) != 0) & (origin_of_acks >= 0)
    ack = np.where(acknowledges, (columns.pop("ack") - origin_of_acks) % SPACE, -1)
    return Segments(lane=lanes, at_server=at_server, row=rows, place=place, ack=ack, **columns)


def _joined(parts: Sequence[Column]) -> Column:
    return np.concatenate(parts).astype(np.int64) if parts else np.zeros(0, np.int64)


_TAKEN: Final = {
    "time_ns": "time_ns",
    "length": "payload_bytes",
    "flags": "flags",
    "ack": "ack",
    "stamp": "ts_value",
    "ip_id": "ip_id",
    "frame": "frame",
}
"""Columns of `Segments` by those of `Packets`."""


def _columns(captures: dict[Side, Capture], rows: Column, at_server: Column) -> dict[str, Column]:
    found = {name: np.zeros(len(rows), np.int64) for name in (*_TAKEN, "digest")}
    for side, capture in captures.items():
        own = at_server if side is Side.SERVER else ~at_server
        packets, chosen = capture.packets, rows[own]
        for name, source in _TAKEN.items():
            found[name][own] = getattr(packets, source)[chosen]
        stamped = packets.option_kinds[chosen] >> TIMESTAMPS_KIND & 1
        found["stamp"][own] = np.where(stamped, packets.ts_value[chosen].astype(np.int64), -1)
        found["digest"][own] = _digests(capture, chosen)
    return found


def _digests(capture: Capture, rows: Column) -> Column:
    digest = np.zeros(len(rows), np.int64)
    digest_options(readable(capture.buffer), *option_lists(capture, rows), digest)
    return digest


def option_lists(capture: Capture, rows: Column) -> tuple[Column, Column]:
    """Return where the option lists of some rows start in the buffer, and how long they are."""
    packets = capture.packets
    offset = packets.tcp_offset[rows] + TCP_HEADER_BYTES
    return offset, packets.options_bytes[rows].astype(np.int64)
