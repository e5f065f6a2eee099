"""Ethernet frames for tests, built and checked by code that shares nothing with the program.

The checksum here is the textbook's loop over 16-bit words (RFC 1071, section 4.1), so that a
mistake in the program's arithmetic cannot hide in the tests'.
"""

import struct

from hypothesis import strategies as st

CLIENT_MAC = bytes.fromhex("5254006d0000")
SERVER_MAC = bytes.fromhex("5254006d0100")
CLIENT = {4: bytes((10, 77, 0, 1)), 6: bytes.fromhex("fd770000000000000000000000000001")}
SERVER = {4: bytes((10, 77, 0, 2)), 6: bytes.fromhex("fd770000000000000000000000000002")}

SYN, SYN_ACK, ACK, RST = 0x02, 0x12, 0x10, 0x04
MSS = bytes.fromhex("020405b4")
TIMESTAMPS = bytes.fromhex("080a0102030405060708")
MP_CAPABLE_SYN = bytes.fromhex("1e040100")
MP_CAPABLE_SYN_ACK = bytes.fromhex("1e0c0101") + bytes(range(8))
MP_JOIN_SYN = bytes.fromhex("1e0c1001") + bytes(range(8))
MP_JOIN_ACK = bytes.fromhex("1e181000") + bytes(range(20))
DSS = bytes.fromhex("1e142001") + bytes(range(16))


def words_sum(data: bytes) -> int:
    """Fold the one's complement sum word by word."""
    total = 0
    for at in range(0, len(data), 2):
        total += int.from_bytes(data[at : at + 2].ljust(2, b"\0"), "big")
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def checksum(data: bytes) -> bytes:
    return (0xFFFF - words_sum(data)).to_bytes(2, "big")


def padded(options: bytes) -> bytes:
    return options + b"\x01" * (-len(options) % 4)


def ip(family: int, protocol: int, source: bytes, destination: bytes, body: bytes) -> bytes:
    """Return an IP packet; ``body`` has its checksum already."""
    if family == 6:
        head = struct.pack(">IHBB", 0x60000000, len(body), protocol, 64)
        return head + source + destination + body
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(body), 7, 0x4000, 64, protocol, 0)
    head += source + destination
    return head[:10] + checksum(head) + head[12:] + body


def with_checksum(family: int, protocol: int, addresses: bytes, body: bytes, at: int) -> bytes:
    """Return a transport header and payload with the checksum put in, pseudo-header included."""
    pseudo = addresses + struct.pack(">IHBB", len(body), 0, 0, protocol)
    body = body[:at] + bytes(2) + body[at + 2 :]
    covered = body if (family, protocol) == (4, 1) else pseudo + body
    return body[:at] + checksum(covered) + body[at + 2 :]


def ethernet(family: int, packet: bytes, *, from_client: bool = True, tags: bytes = b"") -> bytes:
    macs = SERVER_MAC + CLIENT_MAC if from_client else CLIENT_MAC + SERVER_MAC
    return macs + tags + (b"\x08\x00" if family == 4 else b"\x86\xdd") + packet


def tcp_frame(
    *,
    family: int = 4,
    flags: int = ACK,
    options: bytes = b"",
    payload: bytes = b"",
    from_client: bool = True,
    source: bytes | None = None,
    destination: bytes | None = None,
    ports: tuple[int, int] | None = None,
    sequence: int = 1000,
    tags: bytes = b"",
) -> bytes:
    """Return a whole valid frame; the client's port is 50001 and the server's 80."""
    ends = (CLIENT[family], SERVER[family]) if from_client else (SERVER[family], CLIENT[family])
    source, destination = source or ends[0], destination or ends[1]
    here, there = ports or ((50001, 80) if from_client else (80, 50001))
    options = padded(options)
    head = struct.pack(
        ">HHIIBBHHH", here, there, sequence, 77, (20 + len(options)) << 2, flags, 8192, 0, 0
    )
    body = with_checksum(family, 6, source + destination, head + options + payload, 16)
    packet = ip(family, 6, source, destination, body)
    return ethernet(family, packet, from_client=from_client, tags=tags)


def problems(frame: bytes) -> list[str]:
    """Name every checksum and length of an IP frame that is wrong; empty for a valid one."""
    offset = 14
    while frame[offset - 2 : offset] in {b"\x81\x00", b"\x88\xa8"}:
        offset += 4
    family = frame[offset] >> 4
    found = []
    if family == 4:
        header = frame[offset : offset + (frame[offset] & 15) * 4]
        total = int.from_bytes(header[2:4], "big")
        protocol, addresses = header[9], header[12:20]
        if words_sum(header) != 0xFFFF:
            found.append("IPv4 header checksum")
    else:
        header = frame[offset : offset + 40]
        total = 40 + int.from_bytes(header[4:6], "big")
        protocol, addresses = header[6], header[8:40]
    body = frame[offset + len(header) : offset + total]
    if offset + total > len(frame):
        found.append("IP length")
    pseudo = addresses + struct.pack(">IHBB", len(body), 0, 0, protocol)
    covered = body if (family, protocol) == (4, 1) else pseudo + body
    no_checksum = protocol == 17 and body[6:8] == b"\0\0"
    if not no_checksum and words_sum(covered) != 0xFFFF:
        found.append("transport checksum")
    if protocol == 6 and (body[12] >> 4) * 4 > len(body):
        found.append("data offset")
    return found


def parts(frame: bytes) -> tuple[bytes, bytes]:
    """Return the options and the payload of a TCP frame without tags or extension headers."""
    tcp = 14 + (20 if frame[14] >> 4 == 4 else 40)
    end = (
        14 + int.from_bytes(frame[16:18], "big")
        if frame[14] >> 4 == 4
        else 54 + int.from_bytes(frame[18:20], "big")
    )
    data = tcp + (frame[tcp + 12] >> 4) * 4
    return frame[tcp + 20 : data], frame[data:end]


def fitting(options: list[bytes]) -> bytes:
    """Join options as long as a TCP header has room for them."""
    joined = b""
    for option in options:
        if len(padded(joined + option)) <= 40:
            joined += option
    return joined


FAMILIES = st.sampled_from((4, 6))
OPTIONS = st.lists(
    st.sampled_from(
        (b"\x01", MSS, TIMESTAMPS, MP_CAPABLE_SYN, MP_CAPABLE_SYN_ACK, MP_JOIN_SYN, DSS)
    ),
    max_size=6,
).map(fitting)
FLAGS = st.sampled_from((SYN, SYN_ACK, ACK, RST, 0x18, 0x11))
SEGMENTS = st.builds(
    tcp_frame,
    family=FAMILIES,
    flags=FLAGS,
    options=OPTIONS,
    payload=st.binary(max_size=1400),
    sequence=st.integers(0, 2**32 - 1),
    tags=st.sampled_from((b"", b"\x81\x00\x00\x05")),
)


@st.composite
def damaged_frames(draw: st.DrawFn) -> bytes:
    """Frames as an enemy would send them: valid ones with bytes changed and ends cut, or noise."""
    if draw(st.integers(0, 3)) == 0:
        return draw(st.binary(max_size=120))
    frame = bytearray(draw(SEGMENTS))
    for at, value in draw(st.lists(st.tuples(st.integers(0, 90), st.integers(0, 255)), max_size=6)):
        if at < len(frame):
            frame[at] = value
    return bytes(frame[: draw(st.integers(0, len(frame)))] if draw(st.booleans()) else frame)
