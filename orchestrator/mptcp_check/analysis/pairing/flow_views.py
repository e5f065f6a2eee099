"""One TCP connection as one capture shows it, with what may recognise it in another capture."""

import hashlib
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from mptcp_check.analysis.capture.capture_file import Capture
from mptcp_check.analysis.capture.packets import Flag, Present
from mptcp_check.analysis.flows.connections import Connection, Subflow, connections
from mptcp_check.analysis.flows.endpoints import Endpoint
from mptcp_check.analysis.pairing.alignment import half
from mptcp_check.analysis.pairing.byte_stream import ByteStream
from mptcp_check.analysis.pairing.paired import Clue, Half
from mptcp_check.model import Side

_SAMPLE_BYTES: Final = 32
_SAMPLE_PLACES: Final = (0, 700, 4_096, 65_536)
"""Where the payload is sampled: most servers greet alike, so the start alone says little."""
_TIMESTAMPS_KIND: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FlowView:
    """A subflow of a capture, seen from its opener."""

    side: Side
    connection: Connection
    subflow: Subflow
    opener: Half
    """What the sender of the SYN sent, as this capture holds it."""
    listener: Half
    opener_endpoint: Endpoint
    listener_endpoint: Endpoint
    fingerprints: Mapping[Clue, Hashable]
    """What is equal in the other capture, unless the path rewrites it."""

    @property
    def start_ns(self) -> int:
        """Time of the first segment by this capture's clock."""
        return self.subflow.start_ns


def flow_views(capture: Capture, side: Side) -> tuple[FlowView, ...]:
    """Return every TCP connection of a capture, in the order of time."""
    views = [
        _view(capture, side, connection, subflow)
        for connection in connections(capture.packets)
        for subflow in connection.subflows
    ]
    return tuple(sorted(views, key=lambda view: view.start_ns))


def first_row(half_: Half, wanted: int, mask: int = Flag.SYN | Flag.ACK) -> int | None:
    """Return the first row whose flags under a mask are the wanted ones."""
    found = np.flatnonzero((half_.capture.packets.flags[half_.rows] & mask) == wanted)
    return int(half_.rows[found[0]]) if len(found) else None


def _view(capture: Capture, side: Side, connection: Connection, subflow: Subflow) -> FlowView:
    swapped = subflow.opened_by_server
    rows = (subflow.rows_c2s, subflow.rows_s2c)
    isns = (subflow.isn_client, subflow.isn_server)
    ends = (subflow.client, subflow.server)
    opener = half(capture, side, rows[swapped], isns[swapped])
    listener = half(capture, side, rows[not swapped], isns[not swapped])
    prints = dict(_fingerprints(subflow, opener, listener))
    prints[Clue.ADDRESSES] = (ends[swapped], ends[not swapped])
    return FlowView(
        side=side,
        connection=connection,
        subflow=subflow,
        opener=opener,
        listener=listener,
        opener_endpoint=ends[swapped],
        listener_endpoint=ends[not swapped],
        fingerprints=prints,
    )


def _fingerprints(
    subflow: Subflow, opener: Half, listener: Half
) -> Iterator[tuple[Clue, Hashable]]:
    handshake = subflow.handshake
    for signal in (handshake.capable_synack, handshake.capable_ack):
        # the listener's key: the SYN/ACK has it as key, the third ACK as the peer's
        key = signal and (signal.peer_key if signal.present & Present.PEER_KEY else signal.key)
        if key:
            yield Clue.KEYS, key
            break
    if handshake.join_syn:
        yield Clue.JOIN, (handshake.join_syn.token, handshake.join_syn.nonce)
    if opener.isn is not None:
        yield Clue.ISN_OPENER, opener.isn
    if listener.isn is not None:
        yield Clue.ISN_LISTENER, listener.isn
    syn = first_row(opener, Flag.SYN)
    packets = opener.capture.packets
    if syn is not None and int(packets.option_kinds[syn]) >> _TIMESTAMPS_KIND & 1:
        yield Clue.TIMESTAMP, int(packets.ts_value[syn])
    for clue, side_half in (
        (Clue.PAYLOAD_OPENER, opener),
        (Clue.PAYLOAD_LISTENER, listener),
    ):
        digest = _sample(side_half)
        if digest is not None:
            yield clue, digest


def _sample(half_: Half) -> bytes | None:
    """Return a digest of a few places of the payload, none if not even the first was captured.

    Places that this capture does not hold are left out together with all after them, so a
    transfer cut short at one end may not match; other clues remain.
    """
    if half_.isn is None:
        return None
    stream = ByteStream(half_)
    parts = []
    for place in _SAMPLE_PLACES:
        data = stream.read(place, place + _SAMPLE_BYTES)
        if data is None:
            break
        parts.append(data.tobytes())
    if not parts:
        # less than a sample, as a short command line: what is there, if the stream is finished
        end = stream.finish()
        data = stream.read(0, end) if end is not None and 0 < end < _SAMPLE_BYTES else None
        if data is None:
            return None
        parts.append(data.tobytes())
    return hashlib.blake2b(b"".join(parts), digest_size=16).digest()
