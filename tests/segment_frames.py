"""`segments.Segment` in an Ethernet frame, as it crosses a link of the lab."""

from dataclasses import replace

from mptcp_check.model import Direction
from segments import CLIENT, CLIENT_6, SERVER, SERVER_6, Segment
from wire_frames import CLIENT_MAC, SERVER_MAC

C2S, S2C = Direction.C2S, Direction.S2C


def in_family(segment: Segment, family: int) -> Segment:
    """Return the segment between IPv6 addresses if they are wanted."""
    ends = {CLIENT: CLIENT_6, SERVER: SERVER_6} if family == 6 else {}
    return replace(
        segment,
        source=ends.get(segment.source, segment.source),
        destination=ends.get(segment.destination, segment.destination),
    )


def frame_of(segment: Segment, *, tail: bytes = b"") -> bytes:
    """Return the segment in an Ethernet frame, followed by padding of the frame if any."""
    macs = SERVER_MAC + CLIENT_MAC if direction_of(segment) is C2S else CLIENT_MAC + SERVER_MAC
    packet = segment.packet()
    return macs + (b"\x08\x00" if packet[0] >> 4 == 4 else b"\x86\xdd") + packet + tail


def direction_of(segment: Segment) -> Direction:
    return C2S if segment.source in {CLIENT, CLIENT_6} else S2C
