"""Make a capture longer: the same packets several times, each time of other hosts and later.

So ten times the packets are ten times the connections and the same work on each packet.  TCP
checksums are not corrected: no reader of captures looks at them.
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt

FILE_HEADER_BYTES = 24
RECORD_HEADER_BYTES = 16
ETHERNET_BYTES = 14
IPV6_TYPE = (0x86, 0xDD)
# Where the third byte of the source and of the destination address is in the IP header.
IPV4_BYTES = (14, 18)
IPV6_BYTES = (10, 26)


def make(source: Path, target: Path, *, times: int, snap_bytes: int = 144) -> int:
    """Write the packets of a little-endian Ethernet capture several times over.

    Args:
        source: A classic pcap file.
        target: The file to write; one that is there is left as it is.
        times: How often they are written, at most 200.
        snap_bytes: What is written of a packet: all headers of nearly every one.

    Returns:
        How many packets there are, each time.
    """
    octets = source.read_bytes()
    pieces, starts = [], []
    at, end = FILE_HEADER_BYTES, 0
    while at < len(octets):
        captured = int.from_bytes(octets[at + 8 : at + 12], "little")
        kept = min(captured, snap_bytes)
        body = at + RECORD_HEADER_BYTES
        pieces += (octets[at : at + 8], kept.to_bytes(4, "little"), octets[at + 12 : body + kept])
        starts.append(end)
        end += RECORD_HEADER_BYTES + kept
        at = body + captured
    header = octets[:FILE_HEADER_BYTES]
    block = np.frombuffer(bytearray(b"".join(pieces)), np.uint8)
    if not target.exists():
        _write(target, header, block, np.array(starts, np.int64), times)
    return len(starts)


def _write(
    target: Path,
    header: bytes,
    block: npt.NDArray[np.uint8],
    starts: npt.NDArray[np.int64],
    times: int,
) -> None:
    frames = starts + RECORD_HEADER_BYTES
    is_v6 = (block[frames + 12] == IPV6_TYPE[0]) & (block[frames + 13] == IPV6_TYPE[1])
    places = [
        frames + ETHERNET_BYTES + np.where(is_v6, six, four)
        for four, six in zip(IPV4_BYTES, IPV6_BYTES, strict=True)
    ]
    second_bytes = starts[:, None] + np.arange(4)
    seconds = block[second_bytes].copy().view("<u4")[:, 0]
    span = int(seconds.max() - seconds.min()) + 1
    with target.open("wb") as file:
        file.write(header)
        for _ in range(times):
            file.write(block.data)
            for place in places:
                block[place] += 1
            seconds += np.uint32(span)
            block[second_bytes] = seconds.astype("<u4")[:, None].view(np.uint8)
