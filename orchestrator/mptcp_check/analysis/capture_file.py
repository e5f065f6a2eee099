"""Read a capture file: bytes in, columns of TCP segments out, never an exception.

Two passes: framing (`pcap_framing`, `pcapng_framing`) finds where each frame lies; decoding
(`segment_kernel`) fills the columns of `packets`.  Frames are numbered as Wireshark numbers them.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from mptcp_check.analysis import pcap_framing, pcapng_framing
from mptcp_check.analysis.kernels import readable
from mptcp_check.analysis.option_kernel import (
    MOST_PER_SEGMENT,
)
from mptcp_check.analysis.option_tables import (
    DssTable,
    SignalTable,
)
from mptcp_check.analysis.packets import DssOptions, Packets, SignalOptions
from mptcp_check.analysis.records import Framing, Interface, Problem, Records, nothing
from mptcp_check.analysis.segment_kernel import (
    CUTS,
    DSS_ROWS,
    FRAGMENTS,
    PACKETS,
    SIGNAL_ROWS,
    PacketTable,
    decode_segments,
)

COMPRESSED: Final[dict[bytes, str]] = {
    b"\x1f\x8b": "gzip",
    b"\x28\xb5\x2f\xfd": "zstd",
}
"""First bytes of what has to be expanded before it comes here: RFC 1952, RFC 8878."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capture:
    """A capture file, decoded."""

    packets: Packets
    records: Records
    """Every frame, TCP or not: row ``frame - 1`` is where a segment's whole frame lies."""
    interfaces: tuple[Interface, ...]
    problems: tuple[Problem, ...]
    """What could not be read, with the offset; reading ended at the last one."""
    format: str
    """``pcap``, ``pcapng``, or empty: then nothing could be read and `problems` says why."""

    @property
    def buffer(self) -> npt.NDArray[np.uint8]:
        """The file's bytes, read-only: what every offset points into."""
        return self.packets.buffer


def read(buffer: bytes | bytearray | memoryview | npt.NDArray[np.uint8]) -> Capture:
    """Decode a capture file.

    Args:
        buffer: The whole file; a memory map wrapped in a memoryview or an array is not copied,
            and must stay open as long as the columns' offsets are followed.

    Returns:
        All that could be read.  ``format`` is empty when the bytes are no capture at all.
    """
    octets = np.frombuffer(buffer, dtype=np.uint8)
    octets.flags.writeable = False  # one kind of array, so that kernels are compiled once
    framing = frame(octets)
    return Capture(
        packets=_decode(octets, framing),
        records=framing.records,
        interfaces=framing.interfaces,
        problems=framing.problems,
        format=framing.format,
    )


def frame(octets: npt.NDArray[np.uint8]) -> Framing:
    """Return where the frames of a capture file lie, without a look into them."""
    start = octets[:4].tobytes()
    if not start:
        return nothing("the file is empty")
    for magic, name in COMPRESSED.items():
        if start.startswith(magic):
            return nothing(f"compressed with {name}: it has to be expanded first")
    if start == pcapng_framing.MAGIC:
        return pcapng_framing.frame(readable(octets))
    return pcap_framing.frame(readable(octets))


def _decode(octets: npt.NDArray[np.uint8], framing: Framing) -> Packets:
    """Run the kernel over all frames, with larger option tables each time they are full."""
    total = len(framing.records.offset)
    link_types = np.array([known.link_type for known in framing.interfaces], dtype=np.int64)
    packets = PacketTable.allocate(total)
    # Nearly every segment of a Multipath TCP connection has one DSS; other options are few.
    dss = DssTable.allocate(total + MOST_PER_SEGMENT)
    signals = SignalTable.allocate(total // 16 + 2 * MOST_PER_SEGMENT)
    counters = np.zeros(5, dtype=np.int64)
    done = 0
    while True:
        done = decode_segments(
            readable(octets), framing.records, done, link_types, packets, dss, signals, counters
        )
        if done == total:
            break
        if counters[DSS_ROWS] + MOST_PER_SEGMENT > len(dss.packet):
            dss = DssTable(*(_longer(column) for column in dss))
        if counters[SIGNAL_ROWS] + MOST_PER_SEGMENT > len(signals.packet):
            signals = SignalTable(*(_longer(column) for column in signals))
    return Packets(
        **_filled(packets, int(counters[PACKETS])),
        dss=DssOptions(**_filled(dss, int(counters[DSS_ROWS]))),
        signals=SignalOptions(**_filled(signals, int(counters[SIGNAL_ROWS]))),
        buffer=octets,
        frame_count=total,
        fragment_count=int(counters[FRAGMENTS]),
        cut_count=int(counters[CUTS]),
    )


def _longer(column: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
    return np.concatenate([column, np.zeros(len(column), dtype=column.dtype)])


def _filled(
    table: PacketTable | DssTable | SignalTable, rows: int
) -> dict[str, npt.NDArray[np.generic]]:
    return {name: column[:rows] for name, column in table._asdict().items()}
