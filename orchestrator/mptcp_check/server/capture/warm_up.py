"""A block of the ring made by hand, so that kernels are compiled before somebody waits for them."""

import struct
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from mptcp_check.analysis.capture.capture_file import Decoder
from mptcp_check.analysis.capture.packet_blocks import blocks
from mptcp_check.analysis.capture.ring_block import HEADER_BYTES, IN, OUT, OUTGOING, frames
from mptcp_check.server.capture.session_file import LINK_TYPE_RAW

_FIRST_AT: Final = 48
_DATA_AT: Final = HEADER_BYTES + 32


class Frame(NamedTuple):
    """A frame as the kernel captured it."""

    time_ns: int
    octets: bytes
    way: int = IN


def block(held: Sequence[Frame]) -> npt.NDArray[np.uint8]:
    """Return a block as the kernel fills it: see `ring_block`."""
    out = bytearray(_FIRST_AT)
    struct.pack_into("=III", out, 8, 1, len(held), _FIRST_AT)
    for number, (time_ns, octets, way) in enumerate(held, 1):
        step = (_DATA_AT + len(octets) + 15) // 16 * 16
        one = bytearray(step)
        last = number == len(held)
        seconds, rest_ns = divmod(time_ns, 10**9)
        length = len(octets)
        struct.pack_into("=IIIII", one, 0, 0 if last else step, seconds, rest_ns, length, length)
        struct.pack_into("=HH", one, 24, _DATA_AT, _DATA_AT)
        one[HEADER_BYTES + 10] = OUTGOING if way == OUT else 0
        one[_DATA_AT : _DATA_AT + length] = octets
        out += one
    made = np.frombuffer(bytes(out), dtype=np.uint8)
    made.flags.writeable = False
    return made


def warm_up() -> None:
    """Run every kernel once over a SYN with MP_CAPABLE and a segment with a DSS."""
    syn = bytes.fromhex("1e04c10001010101")
    data = bytes.fromhex("1e142001") + bytes(16)
    held = [Frame(0, _segment(options)) for options in (syn, data)]
    made = block(held)
    records = frames(made)
    Decoder().decode(made, records, np.full(2, LINK_TYPE_RAW, dtype=np.int64))
    blocks(made, records, np.arange(len(held), dtype=np.int64))


def _segment(options: bytes) -> bytes:
    tcp = struct.pack(">HHIIHHHH", 1, 1, 0, 0, (5 + len(options) // 4) << 12, 0, 0, 0) + options
    return struct.pack(">BBHHHBBH8s", 0x45, 0, 20 + len(tcp), 0, 0, 64, 6, 0, b"") + tcp
