"""Which connection each segment belongs to, batch by batch, as an inspection has numbered them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from mptcp_check.analysis.capture import pcap_framing, pcapng_framing
from mptcp_check.analysis.capture.capture_file import Decoder, link_types
from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.capture.kernels import readable
from mptcp_check.analysis.capture.packets import Packets
from mptcp_check.analysis.capture.records import BROKEN, TABLE_FULL, Reader, Records
from mptcp_check.analysis.flows.assembly import Assembly
from mptcp_check.analysis.flows.grouping import FlowFinder, headers_of, time_order
from mptcp_check.analysis.metrics.inspector import BATCH_FRAMES
from mptcp_check.errors import CaptureError

BLOCK_BYTES: Final = 4 << 20
"""How much of a capture is looked at at once; more for a longer record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """Some segments of a capture with their places; valid until the next ones come."""

    packets: Packets
    connection: Column
    """int64: ``ConnectionMetrics.id``."""
    subflow: Column
    """int64: ``SubflowMetrics.id``."""
    by_server: Column
    """bool: the connection's server sent it."""
    octets: npt.NDArray[np.uint8]
    """The records that they are from, and what describes these: all bytes since the last ones."""


Read = Callable[[int, int], npt.NDArray[np.uint8]]
"""Returns as many bytes of a capture from an offset on, valid until the next call."""


def place(read: Read, size_bytes: int, places: Assembly) -> Iterator[Placed]:
    """Yield the segments of a capture in the order of the file.

    Args:
        read: Gives the capture.
        size_bytes: How large it is.
        places: What an `Inspector` found in it, fed with blocks of `BLOCK_BYTES`: the numbers of
            TCP connections follow the batches where segments are out of order.

    Raises:
        CaptureError: It holds something else now.
    """
    members = places.members
    sizes = np.diff(members.starts)
    owner, position = np.empty_like(members.flow), np.empty_like(members.flow)
    first_is_server = np.empty(len(members.flow), np.bool_)
    owner[members.flow] = np.repeat(np.arange(len(sizes)), sizes)
    position[members.flow] = np.arange(len(members.flow)) - np.repeat(members.starts[:-1], sizes)
    # End 0 sent a TCP connection's first segment.
    first_is_server[members.flow] = places.client_end != 0
    finder = FlowFinder()
    for packets, octets in _batches(read, size_bytes):
        flow, end = finder.take(headers_of(packets), time_order(packets.time_ns))
        if finder.count > len(owner):
            raise CaptureError("the capture changed while it was read")
        yield Placed(
            packets=packets,
            connection=owner[flow],
            subflow=position[flow],
            by_server=(end != 0) ^ first_is_server[flow],
            octets=octets,
        )


def _batches(read: Read, size_bytes: int) -> Iterator[tuple[Packets, npt.NDArray[np.uint8]]]:
    """Yield the same batches that an `Inspector` decodes, with the bytes that they come from."""
    reader: Reader = pcap_framing.PcapReader()
    if read(0, 4).tobytes() == pcapng_framing.MAGIC:
        reader = pcapng_framing.PcapngReader()
    decoder, records = Decoder(), Records.allocate(BATCH_FRAMES)
    start = frames = 0
    size = BLOCK_BYTES
    while True:
        block, at = read(start, size), 0
        last = start + size >= size_bytes
        while True:
            since = at
            step = reader.read(readable(block), at, records, 0)
            at = step.at
            if at > since:
                found = records.resized(step.filled)
                packets = decoder.decode(block, found, link_types(reader.interfaces))
                packets.frame[:] += np.uint32(frames & 0xFFFF_FFFF)
                frames += packets.frame_count
                yield packets, block[since:at]
            if step.state != TABLE_FULL:
                break
        if last or step.state == BROKEN:
            return
        start += at
        size = BLOCK_BYTES if at else 2 * size
