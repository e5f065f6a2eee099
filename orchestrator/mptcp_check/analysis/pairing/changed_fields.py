"""Which header fields differ between the two ends, of all segments that crossed at once."""

from typing import Final

import numpy as np
import numpy.typing as npt

from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.capture.packets import TCP_HEADER_BYTES, Packets
from mptcp_check.analysis.pairing.lane_crossing import Field

_MOST_OPTION_BYTES: Final = 40
_WORD_BYTES: Final = 4
_COMPARED: Final = (
    (Field.TTL, "ttl"),
    (Field.TOS, "tos"),
    (Field.IP_ID, "ip_id"),
    (Field.SEQUENCE, "seq"),
    (Field.ACK, "ack"),
    (Field.FLAGS, "flags"),
    (Field.WINDOW, "window"),
    (Field.URGENT, "urgent"),
    (Field.OPTIONS, "options_bytes"),
    (Field.TIMESTAMPS, "ts_value"),
    (Field.TIMESTAMPS, "ts_echo"),
    (Field.PAYLOAD_BYTES, "payload_bytes"),
)


def changed_fields(near: Packets, far: Packets, here: Column, there: Column) -> Column:
    """Return `Field` bits, int64, one per segment.

    Args:
        near: The sender's capture.
        far: The receiver's capture.
        here: Rows of the sender's capture.
        there: Rows of the receiver's capture, of the same segments.
    """
    bits = np.zeros(len(here), np.int64)
    for field, name in _COMPARED:
        differs = getattr(near, name)[here] != getattr(far, name)[there]
        bits |= np.where(differs, int(field), 0)
    starts = near.tcp_offset[here], far.tcp_offset[there]
    lengths = np.minimum(near.options_bytes[here], far.options_bytes[there])
    for place in range(0, _MOST_OPTION_BYTES, _WORD_BYTES):
        left = np.flatnonzero((lengths >= place + _WORD_BYTES) & (bits & int(Field.OPTIONS) == 0))
        if not len(left):
            break
        words = [
            _word(packets.buffer, start[left] + TCP_HEADER_BYTES + place)
            for packets, start in zip((near, far), starts, strict=True)
        ]
        bits[left[words[0] != words[1]]] |= int(Field.OPTIONS)
    return bits


def _word(buffer: npt.NDArray[np.uint8], places: Column) -> Column:
    window = buffer[np.add.outer(places, np.arange(_WORD_BYTES))]
    return np.ascontiguousarray(window).view(np.uint32)[:, 0]
