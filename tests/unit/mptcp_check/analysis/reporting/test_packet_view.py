import struct
from ipaddress import ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mptcp_check.analysis.capture.capture_file import read
from mptcp_check.analysis.reporting.packet_view import flag_names, packet_view
from mptcp_check.model import Side
from pcap_frames import pcap_with, tcp_frame

KEY, OTHER = bytes(range(8)), bytes(range(8, 16))


def shown(options: bytes) -> list[str]:
    """Return how one segment's options read, fillers left out."""
    padded = options + b"\x01" * (-len(options) % 4)
    frame = tcp_frame(("192.0.2.1", 1), ("192.0.2.2", 2), seq=1, ack=2, flags=0x10, options=padded)
    view = packet_view(read(pcap_with([(0, frame)])), Side.CLIENT, 1)
    assert view is not None
    return [f"{o['name']} {o['text']}".strip() for o in view["options"] if not o["filler"]]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (bytes([30, 4, 1, 0x81]), "MP_CAPABLE version 1, checksum required"),
        (bytes([30, 12, 1, 1]) + KEY, "MP_CAPABLE version 1, key 0001020304050607"),
        (
            bytes([30, 22, 1, 1]) + KEY + OTHER + b"\x00\x64",
            (
                "MP_CAPABLE version 1, key 0001020304050607, peer's key 08090a0b0c0d0e0f,"
                " maps 100 bytes"
            ),
        ),
        (
            bytes([30, 12, 0x11, 7]) + b"\x00\x00\x00\x01\x00\x00\x00\x02",
            "MP_JOIN token 00000001, nonce 00000002, address id 7, backup",
        ),
        (
            bytes([30, 16, 0x10, 7]) + KEY + b"\x00\x00\x00\x02",
            "MP_JOIN hmac 0001020304050607, nonce 00000002",
        ),
        (bytes([30, 24, 0x10, 0]) + b"\xaa" * 20, f"MP_JOIN hmac {'aa' * 20}"),
        (struct.pack("!BBBBI", 30, 8, 0x20, 1, 77), "DSS data ack 77"),
        (
            struct.pack("!BBBBIIHH", 30, 16, 0x20, 0x14, 5, 6, 1, 0xBEEF),
            "DSS maps dsn 5 to byte 6, 1 bytes, checksum 0xbeef, DATA_FIN",
        ),
        (
            struct.pack("!BBBBIIH", 30, 14, 0x20, 0x04, 5, 6, 0) + b"\x01\x01",
            "DSS maps dsn 5 to byte 6, 0 bytes, infinite",
        ),
        (
            bytes([30, 16, 0x30, 3]) + ip_address("192.0.2.9").packed + KEY,
            "ADD_ADDR id 3, 192.0.2.9",
        ),
        (bytes([30, 4, 0x40, 3]), "REMOVE_ADDR ids 3"),
        (bytes([30, 3, 0x51]), "MP_PRIO backup"),
        (struct.pack("!BBBBQ", 30, 12, 0x60, 0, 9), "MP_FAIL dsn 9"),
        (bytes([30, 12, 0x70, 0]) + KEY, "MP_FASTCLOSE key 0001020304050607"),
        (bytes([30, 4, 0x80, 6]), "MP_TCPRST reason 6"),
        (bytes([30, 4, 0xF0, 6]), "MPTCP subtype 0xf, 06"),
        (b"\x02\x04\x05\xb4", "MSS 1460"),
        (b"\x03\x03\x07", "Window scale 2^7"),
        (b"\x04\x02", "SACK permitted"),
        (struct.pack("!BBII", 5, 10, 1, 2), "SACK 1–2"),  # noqa: RUF001 - a range
        (b"\x22\x04\xab\xcd", "Fast Open abcd"),
        (b"\xfd\x04\xab\xcd", "Option kind 253 Experiment 1 (RFC 3692) abcd"),
        (b"\x1e\x00", "Malformed 1e000101"),
    ],
)
def test_every_option_reads_in_words(options: bytes, expected: str) -> None:
    assert shown(options) == [expected]


@settings(deadline=None)
@given(st.binary(max_size=40))
def test_any_option_list_reads_somehow(options: bytes) -> None:
    assert all(shown(options[: len(options) // 4 * 4]))


@pytest.mark.parametrize(
    ("flags", "expected"), [(0x02, "SYN"), (0x12, "SYN ACK"), (0xC2, "SYN ECE CWR"), (0, "-")]
)
def test_flags_read_in_words(flags: int, expected: str) -> None:
    assert flag_names(flags) == expected
