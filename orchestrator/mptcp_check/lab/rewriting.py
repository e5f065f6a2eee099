"""Rewrite a capture as if behaviours had stood in its way: frames in, frames out, nothing kept.

The times of the frames are the clock.  Which way a frame travels follows from who sent the SYN of
its connection, or from the client's address; what cannot be told passes unchanged and is counted.
"""

import ipaddress
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final, Protocol

import numpy as np

from mptcp_check import capture_input
from mptcp_check.analysis.capture import capture_file, link_layers, pcapng_blocks
from mptcp_check.analysis.capture.records import Framing
from mptcp_check.middleboxes.chain import Chain
from mptcp_check.middleboxes.frame import tcp_segment
from mptcp_check.model import Direction

_NS_PER_S: Final = 10**9
_SNAP_BYTES: Final = 262_144
_FOREVER_NS: Final = 1 << 62
_MADE_UP_ADDRESSES: Final = bytes.fromhex("020000000002020000000001")
"""Of Ethernet, locally administered (IEEE 802), for captures without: the cooked and raw ones."""


@dataclass(slots=True, kw_only=True)
class Rewritten:
    """What was done, for people."""

    read_count: int = 0
    written_count: int = 0
    acted_count: int = 0
    undirected_count: int = 0
    """TCP segments whose connection's client nobody knows; they passed unchanged."""
    unreadable_count: int = 0
    """Frames of a link type that is not decoded; they are left out."""
    problems: list[str] = field(default_factory=list)
    """What is wrong with the input, in words."""


class Directions:
    """Who is the client of each connection: the sender of its SYN, or one address.

    Args:
        client: The client's address, if it is known; then nothing else matters.
    """

    def __init__(self, client: ipaddress.IPv4Address | ipaddress.IPv6Address | None) -> None:
        self._client = None if client is None else client.packed
        self._from_client: set[bytes] = set()

    def learn(self, frame: bytes) -> None:
        """Note the sender of a SYN, or the receiver of a SYN/ACK."""
        segment = tcp_segment(frame)
        if segment is None:
            return
        if segment.is_syn:
            self._from_client.add(segment.flow)
        elif segment.is_syn_ack:
            self._from_client.add(_other_way(segment.flow))

    def of(self, frame: bytes) -> Direction | None:
        """Return which way a frame travels; none if nobody knows, or it is no TCP."""
        segment = tcp_segment(frame)
        if segment is None:
            return None
        if self._client is not None:
            if segment.packet.source == self._client:
                return Direction.C2S
            return Direction.S2C if segment.packet.destination == self._client else None
        if segment.flow in self._from_client:
            return Direction.C2S
        return Direction.S2C if _other_way(segment.flow) in self._from_client else None


def rewrite(
    source: Path,
    target: Path,
    chain: Chain,
    *,
    client: ipaddress.IPv4Address | ipaddress.IPv6Address | None = None,
) -> Rewritten:
    """Read a capture, push it through a chain, and write what comes out.

    Args:
        source: Any capture that can be read, compressed or not.
        target: pcap if it ends so, else pcapng; frames are Ethernet in both, times nanoseconds.
        chain: The behaviours.
        client: The client's address, for captures without SYNs.

    Raises:
        CaptureError: The input cannot be read.
        OSError: The output cannot be written.
    """
    given = capture_input.bring(source)
    octets = given.again(0, given.size_bytes)
    framing = capture_file.frame(octets)
    if not framing.format:
        capture_input.refuse(given, framing.problems)
    done = Rewritten(problems=[f"byte {p.offset}: {p.reason}" for p in framing.problems])
    directions = Directions(client)
    if client is None:
        for _, frame, _ in _frames(octets, framing):
            if frame is not None:
                directions.learn(frame)
    with target.open("wb") as file:
        writer: _Writer = _Pcap(file) if target.suffix == ".pcap" else _Pcapng(file)
        for emission in _through(chain, octets, framing, directions, done):
            writer.write(*emission)
            done.written_count += 1
    done.acted_count = sum(behaviour.acted_count for behaviour in chain.behaviours)
    return done


def _through(
    chain: Chain,
    octets: np.ndarray,
    framing: Framing,
    directions: Directions,
    done: Rewritten,
) -> Iterator[tuple[int, bytes, int]]:
    """Give time, frame and bytes cut off of everything that leaves the chain, in order of time."""
    now_ns = 0
    for time_ns, frame, cut_bytes in _frames(octets, framing):
        done.read_count += 1
        now_ns = max(now_ns, time_ns)  # a clock that was set back is no reason to stumble
        for emission in chain.poll(now_ns):
            yield emission.at_ns, emission.frame, 0
        if frame is None:
            done.unreadable_count += 1
            continue
        direction = directions.of(frame)
        if direction is None:
            done.undirected_count += tcp_segment(frame) is not None
            yield now_ns, frame, cut_bytes
            continue
        for emission in chain.push(frame, direction, now_ns):
            yield emission.at_ns, emission.frame, cut_bytes
    for emission in chain.poll(_FOREVER_NS):
        yield emission.at_ns, emission.frame, 0


def _frames(octets: np.ndarray, framing: Framing) -> Iterator[tuple[int, bytes | None, int]]:
    """Give time, Ethernet frame and bytes cut off of each record; none for other link types."""
    link_types = capture_file.link_types(framing.interfaces)
    records = framing.records
    for row in range(len(records.offset)):
        start, captured = int(records.offset[row]), int(records.captured[row])
        link_type = int(link_types[int(records.interface[row])])
        cut_bytes = max(0, int(records.wire[row]) - captured)
        content = octets[start : start + captured]
        yield int(records.time_ns[row]), _ethernet(content, link_type), cut_bytes


def _ethernet(content: np.ndarray, link_type: int) -> bytes | None:
    """Return a frame as Ethernet has it; none if its link type is not known."""
    if link_type == link_layers.ETHERNET:
        return content.tobytes()
    at = link_layers.ip_offset(content, 0, len(content), link_type)
    if at < 0 or at >= len(content):
        return None
    version = int(content[at]) >> 4
    ethertype = {4: link_layers.ETHERTYPE_IPV4, 6: link_layers.ETHERTYPE_IPV6}.get(version)
    if ethertype is None:
        return None
    return _MADE_UP_ADDRESSES + ethertype.to_bytes(2) + content[at:].tobytes()


def _other_way(flow: bytes) -> bytes:
    """Return the key of the opposite flow: addresses and ports change places."""
    half = (len(flow) - 4) // 2
    return flow[half : 2 * half] + flow[:half] + flow[-2:] + flow[-4:-2]


class _Writer(Protocol):
    """Writes one frame after the other."""

    def write(self, time_ns: int, frame: bytes, cut_bytes: int) -> None:
        """Append a frame."""


class _Pcap:
    """A pcap file with nanoseconds: draft-ietf-opsawg-pcap, section 4."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        file.write(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, _SNAP_BYTES, 1))

    def write(self, time_ns: int, frame: bytes, cut_bytes: int) -> None:
        """See `_Writer`."""
        seconds, rest_ns = divmod(time_ns, _NS_PER_S)
        size = len(frame)
        self._file.write(struct.pack("<IIII", seconds, rest_ns, size, size + cut_bytes) + frame)


class _Pcapng:
    """A pcapng file with one interface: draft-ietf-opsawg-pcapng, section 4."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._block(
            pcapng_blocks.SECTION_HEADER,
            struct.pack("<IHHq", pcapng_blocks.BYTE_ORDER_MAGIC, 1, 0, -1),
        )
        resolution = struct.pack("<HHB3xHH", pcapng_blocks.IF_TSRESOL, 1, 9, 0, 0)
        self._block(
            pcapng_blocks.INTERFACE_DESCRIPTION,
            struct.pack("<HHI", link_layers.ETHERNET, 0, _SNAP_BYTES) + resolution,
        )

    def write(self, time_ns: int, frame: bytes, cut_bytes: int) -> None:
        """See `_Writer`."""
        wire_bytes = len(frame) + cut_bytes
        self._file.write(pcapng_blocks.packet(0, time_ns, frame, wire_bytes=wire_bytes))

    def _block(self, kind: int, body: bytes) -> None:
        self._file.write(pcapng_blocks.block(kind, body))
