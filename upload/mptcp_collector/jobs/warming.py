"""Machine code for judging, made before the first run: the sandbox lets nobody keep any.

Without, every judgement would compile what it needs, which takes fifteen times as long as the
judgement. What is read here is made here, so it needs no sandbox.
"""

import struct
import sys
from typing import Final

from mptcp_check.analysis.capture import capture_file
from mptcp_check.analysis.capture.pcapng_blocks import description, packet, section
from mptcp_check.analysis.diagnose import diagnose

COMMAND: Final = (sys.executable, "-m", __spec__.name)
"""Does it, in a process of its own; the user's cache keeps it (`XDG_CACHE_HOME`)."""
_RAW: Final = 101
"""Link type of packets that begin with their IP header."""
_CLIENT: Final = (bytes([192, 0, 2, 1]), 40_000)
_SERVER: Final = (bytes([192, 0, 2, 2]), 80)
_KEYS: Final = (bytes(range(8)), bytes(range(8, 16)))
_SYN, _ACK, _PSH_ACK, _FIN_ACK, _SYN_ACK = 0x02, 0x10, 0x18, 0x11, 0x12


def exchange() -> bytes:
    """Return a capture (pcapng) of a connection of Multipath TCP with some data each way."""
    offer = bytes.fromhex("1e040101")
    answer = bytes.fromhex("1e0c0101") + _KEYS[1]
    third = bytes.fromhex("1e140101") + b"".join(_KEYS)
    up, down = _mapping(1, 4), _mapping(0, 4)
    packets = (
        _packet(_CLIENT, _SERVER, _SYN, 0, 0, offer),
        _packet(_SERVER, _CLIENT, _SYN_ACK, 0, 1, answer),
        _packet(_CLIENT, _SERVER, _ACK, 1, 1, third),
        _packet(_CLIENT, _SERVER, _PSH_ACK, 1, 1, up, b"ping"),
        _packet(_SERVER, _CLIENT, _PSH_ACK, 1, 5, down, b"pong"),
        _packet(_CLIENT, _SERVER, _FIN_ACK, 5, 5),
        _packet(_SERVER, _CLIENT, _FIN_ACK, 5, 6),
    )
    return b"".join(
        (
            section(),
            description(link_type=_RAW, snap_bytes=0, name=""),
            *(
                packet(0, number * 1000, data, wire_bytes=len(data))
                for number, data in enumerate(packets)
            ),
        )
    )


def _mapping(number: int, length: int) -> bytes:
    return bytes.fromhex("1e142005") + struct.pack(">IIIHH", 1, number, 1, length, 0)


def _packet(  # noqa: PLR0917 - the fields of a segment
    source: tuple[bytes, int],
    destination: tuple[bytes, int],
    flags: int,
    seq: int,
    ack: int,
    options: bytes = b"",
    payload: bytes = b"",
) -> bytes:
    words = 5 + len(options) // 4
    head = struct.pack(">HHIIHH", source[1], destination[1], seq, ack, words << 12 | flags, 65535)
    rest = bytes(2) + options + payload
    pseudo = source[0] + destination[0] + struct.pack(">HH", 6, len(head) + 2 + len(rest))
    # the sum of 16-bit words modulo 65535 (RFC 1071); there is no odd byte
    checksum = 0xFFFF - int.from_bytes(pseudo + head + rest) % 0xFFFF
    segment = head + struct.pack(">H", checksum) + rest
    ip = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(segment), 1, 0, 64, 6, 0)
    return ip + source[0] + destination[0] + segment


if __name__ == "__main__":
    made = capture_file.read(exchange())
    diagnose(made, made)
