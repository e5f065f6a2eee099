"""Read a capture file: bytes in, columns of TCP segments out, never an exception.

Three passes: framing (`pcap_framing`, `pcapng_framing`) finds where each frame lies; headers
(`segment_kernel`) and options (`option_kernel`) fill the columns of `packets`.  Frames are
numbered as Wireshark numbers them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from mptcp_check.analysis.capture import pcap_framing, pcapng_framing
from mptcp_check.analysis.capture.column_types import SIGNAL_TYPES
from mptcp_check.analysis.capture.kernels import readable, records
from mptcp_check.analysis.capture.option_kernel import (
    DSS_ROWS,
    MOST_PER_SEGMENT,
    SIGNAL_ROWS,
    decode_options,
)
from mptcp_check.analysis.capture.option_tables import DssTable, OptionLists, signal_table
from mptcp_check.analysis.capture.packets import DssOptions, Packets, SignalOptions
from mptcp_check.analysis.capture.records import Framing, Interface, Problem, Records, nothing
from mptcp_check.analysis.capture.segment_kernel import (
    CUT_SHORT,
    LATER_FRAGMENT,
    SEGMENT,
    decode_segments,
)
from mptcp_check.analysis.capture.segment_tables import PacketTable

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
        packets=Decoder().decode(octets, framing.records, link_types(framing.interfaces)),
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


def link_types(interfaces: Sequence[Interface]) -> npt.NDArray[np.int64]:
    """Return the link type of each interface, as kernels take them."""
    return np.array([known.link_type for known in interfaces], dtype=np.int64)


class Decoder:
    """Runs the kernels over batches of frames, in tables that are used again and again."""

    def __init__(self) -> None:
        self._table = PacketTable.allocate(0)
        self._dss = DssTable.allocate(MOST_PER_SEGMENT)
        self._signals = signal_table(2 * MOST_PER_SEGMENT)

    def decode(
        self, octets: npt.NDArray[np.uint8], records_: Records, link_types: npt.NDArray[np.int64]
    ) -> Packets:
        """Decode a batch; its columns are valid until the next one is decoded.

        Args:
            octets: What the offsets of the records point into.
            records_: The frames.
            link_types: LINKTYPE number of each interface.
        """
        total = len(records_.offset)
        if len(self._table.frame) < total:
            self._table = PacketTable.allocate(total)
        frames = np.zeros(SEGMENT + 1, dtype=np.int64)
        decode_segments(readable(octets), records_, link_types, self._table, frames)
        packets = PacketTable(*(column[: frames[SEGMENT]] for column in self._table))
        lists = OptionLists(*(getattr(packets, name) for name in OptionLists._fields))
        # Nearly every segment of a Multipath TCP connection has one DSS; other options are few.
        rows = len(packets.frame)
        if len(self._dss.packet) < rows + MOST_PER_SEGMENT:
            self._dss = DssTable.allocate(rows + MOST_PER_SEGMENT)
        if len(self._signals) < rows // 16 + 2 * MOST_PER_SEGMENT:
            self._signals = signal_table(rows // 16 + 2 * MOST_PER_SEGMENT)
        filled = np.zeros(2, dtype=np.int64)
        done = 0
        while True:
            done = decode_options(
                readable(octets), lists, done, self._dss, records(self._signals), filled
            )
            if done == rows:
                break
            if filled[DSS_ROWS] + MOST_PER_SEGMENT > len(self._dss.packet):
                self._dss = DssTable(*(_longer(column) for column in self._dss))
            if filled[SIGNAL_ROWS] + MOST_PER_SEGMENT > len(self._signals):
                self._signals = _longer(self._signals)
        signals = self._signals[: filled[SIGNAL_ROWS]]
        found = Packets(
            **packets._asdict(),
            dss=DssOptions(
                **{name: column[: filled[DSS_ROWS]] for name, column in self._dss._asdict().items()}
            ),
            signals=SignalOptions(**{name: signals[name].copy() for name in SIGNAL_TYPES}),
            buffer=octets,
            frame_count=total,
            fragment_count=int(frames[LATER_FRAGMENT]),
            cut_count=int(frames[CUT_SHORT]),
        )
        signals[:] = np.zeros(1, signals.dtype)  # most cells stay empty: kernels rely on that
        return found


def _longer(column: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return np.concatenate([column, np.zeros(len(column), dtype=column.dtype)])
