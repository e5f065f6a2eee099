"""One direction of one subflow as columns: which numbers were sent and acknowledged when."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.capture.packets import DssFlag, Flag, Packets
from mptcp_check.analysis.flows.subflows import Subflow
from mptcp_check.analysis.options.tcp_options import WindowScale, decode
from mptcp_check.analysis.pairing.mptcp_options import options_of
from mptcp_check.analysis.series.numbering import SPACE, nearest, unwrapped

MOST_SHIFT: Final = 14
"""RFC 7323, section 2.3: a larger shift count is taken for 14."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """What one end of a subflow sent, in the order of time."""

    subflow: int
    from_client: bool
    rows: Column
    """int64: rows in `Packets`."""
    time_ns: Column
    start: Column
    """int64: place of the payload's first byte; 1 is the first byte after the SYN."""
    end: Column
    """int64: place after the payload's last byte."""
    ack: Column
    """int64: place of the next byte expected from the other end; -1 of RSTs, or without ACK."""
    dss: Column
    """int64: rows in ``packets.dss`` of its options."""
    dss_carrier: Column
    """int64: positions in `rows` of the segments that carry them."""
    window: Column
    """int64: announced window, bytes; -1 where the window scale is not known."""


def lanes(packets: Packets, subflow: Subflow) -> tuple[Lane, Lane]:
    """Return both directions of a subflow, the client's first."""
    sent = (subflow.rows_c2s, subflow.rows_s2c)
    known = (subflow.isn_client, subflow.isn_server)
    origins = [
        isn if isn is not None else _first_number(packets, rows)
        for rows, isn in zip(sent, known, strict=True)
    ]
    shifts = _shifts(packets, sent)
    client, server = (
        _lane(packets, subflow, end, (origins[end], origins[1 - end]), shifts[end])
        for end in range(2)
    )
    return client, server


def _lane(
    packets: Packets,
    subflow: Subflow,
    end: int,
    origins: tuple[int, int],
    shift: int | None,
) -> Lane:
    rows = subflow.rows_s2c if end else subflow.rows_c2s
    flags = packets.flags[rows]
    places = unwrapped(packets.seq[rows], origins[0]) + ((flags & Flag.SYN) != 0)
    acks = unwrapped(packets.ack[rows], origins[1])
    window = packets.window[rows].astype(np.int64)
    if shift is not None:
        window = np.where(flags & Flag.SYN, window, window << shift)
    dss = options_of(packets.dss.packet, rows)
    # Rows are in the order of time, options in the order of the file.
    order = np.argsort(rows, kind="stable")
    carrier = order[np.searchsorted(rows, packets.dss.packet[dss], sorter=order)]
    return Lane(
        subflow=subflow.id,
        from_client=end == 0,
        rows=rows,
        time_ns=packets.time_ns[rows],
        start=places,
        end=places + packets.payload_bytes[rows],
        ack=np.where(flags & (Flag.ACK | Flag.RST) == Flag.ACK, acks, -1),
        dss=dss,
        dss_carrier=carrier,
        window=window if shift is not None else np.full(len(rows), -1, np.int64),
    )


def _first_number(packets: Packets, rows: Column) -> int:
    """Return the initial sequence number where the SYN was not captured.

    Mappings tell it: subflow sequence numbers are relative to it (RFC 8684, section 3.3.1).  One
    that is repeated on a burst's segments is right on the first of them only, so the commonest
    difference counts.  Without mappings the first segment is taken to be the first byte.
    """
    if not len(rows):
        return 0
    dss = packets.dss
    own = options_of(dss.packet, rows)
    own = own[((dss.parts[own] & DssFlag.MAPPING) != 0) & (dss.ssn[own] > 0)]
    own = own[packets.payload_bytes[dss.packet[own]] > 0]
    if not len(own):
        return (int(packets.seq[rows[0]]) - 1) % SPACE
    candidates = packets.seq[dss.packet[own]].astype(np.int64) - dss.ssn[own].astype(np.int64)
    values, counts = np.unique(nearest(candidates, candidates[:1]), return_counts=True)
    return int(values[np.argmax(counts)]) % SPACE


def _shifts(packets: Packets, sent: tuple[Column, Column]) -> tuple[int | None, int | None]:
    """Return the window scales of both ends: RFC 7323, section 2.2; none where not known.

    Scaling is on if both SYNs have the option, so both have to be captured.
    """
    found = [_scale(packets, rows) for rows in sent]
    if None in found:
        return None, None
    if -1 in found:
        return 0, 0
    return found[0], found[1]


def _scale(packets: Packets, rows: Column) -> int | None:
    """Return the shift count of a SYN; -1 if it has none, none if there is no SYN."""
    syns = rows[(packets.flags[rows] & Flag.SYN) != 0]
    if not len(syns):
        return None
    options, _ = decode(packets.option_bytes(int(syns[0])))
    shifts = [option.shift_count for option in options if isinstance(option, WindowScale)]
    return min(shifts[0], MOST_SHIFT) if shifts else -1
