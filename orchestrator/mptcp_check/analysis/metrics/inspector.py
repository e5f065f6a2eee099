"""Inspect a capture of any size: it comes in blocks, and no block is kept.

What is kept is a few hundred bytes per direction of a TCP connection, what is not yet in order,
and tables of bounded size; see `state_tables`.  Blocks may be parts of a memory map, so that the
caller can give the pages back behind them.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from mptcp_check.analysis.capture import pcap_framing, pcapng_framing
from mptcp_check.analysis.capture.capture_file import COMPRESSED, Decoder, link_types
from mptcp_check.analysis.capture.kernels import readable
from mptcp_check.analysis.capture.records import (
    BROKEN,
    ENDED,
    TABLE_FULL,
    Interface,
    Problem,
    Reader,
    Records,
)
from mptcp_check.analysis.metrics.inspection import summary
from mptcp_check.analysis.metrics.tracking import Tracker
from mptcp_check.analysis.metrics.values import Inspection

BATCH_FRAMES: Final = 1 << 15
"""Frames decoded at once: their columns stay in the processor's cache."""

MAGIC_BYTES: Final = 4


class Inspector:
    """Takes the consecutive blocks of a capture file, and says in the end what they held.

    Segments out of the order of time are put in order within `BATCH_FRAMES` frames.

        inspector = Inspector()
        for block in blocks:
            rest = block[inspector.feed(block) :]  # begins the next block
        inspector.feed(rest, last=True)
        inspection = inspector.finish()
    """

    def __init__(self) -> None:
        self.bytes_count = 0
        """Bytes taken so far."""
        self.packets_count = 0
        """Frames so far, TCP or not."""
        self._tracker = Tracker()
        self._decoder = Decoder()
        self._records = Records.allocate(BATCH_FRAMES)
        self._reader: Reader | None = None
        self._problems: list[Problem] = []
        self._link_types = link_types(())
        self._fragment_count = 0
        self._cut_count = 0
        self._first_ns: int | None = None
        self._last_ns: int | None = None

    @property
    def broken(self) -> bool:
        """Whether a problem was found: nothing after it can be read."""
        return bool(self._problems)

    def feed(
        self, block: bytes | bytearray | memoryview | npt.NDArray[np.uint8], *, last: bool = False
    ) -> int:
        """Take as many whole frames as a block holds.

        Args:
            block: The bytes that follow those taken so far, of any size; a block without one
                whole frame has to come again, longer.
            last: Nothing follows this block: what is not whole in it stays so.

        Returns:
            How many bytes were taken: the next block begins with the first one that was not.
        """
        octets = np.frombuffer(block, dtype=np.uint8)
        octets.flags.writeable = False  # one kind of array, so that kernels are compiled once
        if self.broken:
            return len(octets)
        if self._reader is None and not self._recognise(octets, last=last):
            return 0
        taken = self._read(octets, last=last)
        self.bytes_count += taken
        return taken

    def finish(self) -> Inspection:
        """Return what all blocks held."""
        reader = self._reader
        described = reader.interfaces if reader else list[Interface]()
        return summary(
            self._tracker,
            format_=reader.format if reader and described else "",
            interfaces=tuple(described),
            problems=tuple(self._problems),
            packets_count=self.packets_count,
            bytes_count=self.bytes_count,
            fragment_count=self._fragment_count,
            cut_count=self._cut_count,
            first_ns=self._first_ns,
            last_ns=self._last_ns,
        )

    def _recognise(self, octets: npt.NDArray[np.uint8], *, last: bool) -> bool:
        """Find out which kind of file it is; say whether that is known."""
        if len(octets) < MAGIC_BYTES and not last:
            return False
        start = octets[:MAGIC_BYTES].tobytes()
        if start == pcapng_framing.MAGIC:
            self._reader = pcapng_framing.PcapngReader()
            return True
        if start in pcap_framing.MAGICS:
            self._reader = pcap_framing.PcapReader()
            return True
        reason = "no magic number of a capture file" if start else "the file is empty"
        for magic, name in COMPRESSED.items():
            if start.startswith(magic):
                reason = f"compressed with {name}: it has to be expanded first"
        self._problems.append(Problem(offset=0, reason=reason))
        return False

    def _read(self, octets: npt.NDArray[np.uint8], *, last: bool) -> int:
        at = 0
        buffer = readable(octets)
        assert self._reader is not None  # noqa: S101 - `_recognise` came first
        while True:
            step = self._reader.read(buffer, at, self._records, 0)
            at = step.at
            if step.filled:
                self._take(octets, self._records.resized(step.filled))
            if step.state == TABLE_FULL:
                continue
            if step.state == BROKEN or (last and step.state != ENDED):
                self._problems.append(Problem(offset=self.bytes_count + at, reason=step.reason))
            return at if self._reader.interfaces or last else 0

    def _take(self, octets: npt.NDArray[np.uint8], records: Records) -> None:
        assert self._reader is not None  # noqa: S101 - as above
        if len(self._link_types) != len(self._reader.interfaces):
            self._link_types = link_types(self._reader.interfaces)
        packets = self._decoder.decode(octets, records, self._link_types)
        packets.frame[:] += np.uint32(self.packets_count & 0xFFFF_FFFF)
        self._tracker.take(packets)
        first, latest = int(records.time_ns.min()), int(records.time_ns.max())
        self._first_ns = first if self._first_ns is None else min(first, self._first_ns)
        self._last_ns = latest if self._last_ns is None else max(latest, self._last_ns)
        self.packets_count += packets.frame_count
        self._fragment_count += packets.fragment_count
        self._cut_count += packets.cut_count
