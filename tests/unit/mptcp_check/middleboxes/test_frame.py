import json
import subprocess
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mptcp_check.machines.wire_record import WireCapture
from mptcp_check.middleboxes.frame import ip_packet, rebuilt, tcp_segment
from wire_frames import (
    CLIENT,
    DSS,
    FAMILIES,
    MSS,
    SEGMENTS,
    SERVER,
    SYN,
    damaged_frames,
    ip,
    parts,
    problems,
    tcp_frame,
    with_checksum,
)


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("tags", [b"", b"\x81\x00\x00\x05", b"\x88\xa8\x00\x01\x81\x00\x00\x05"])
def test_a_segment_is_found_behind_any_vlan_tags(family: int, tags: bytes) -> None:
    segment = tcp_segment(
        tcp_frame(family=family, flags=SYN, options=MSS, payload=b"data", tags=tags)
    )

    assert segment is not None
    assert (segment.source_port, segment.destination_port, segment.sequence) == (50001, 80, 1000)
    assert (segment.options, segment.payload, segment.is_syn) == (MSS, b"data", True)
    assert (segment.packet.source, segment.packet.destination) == (CLIENT[family], SERVER[family])


def test_ethernet_padding_is_not_payload() -> None:
    segment = tcp_segment(tcp_frame() + bytes(6))

    assert segment is not None
    assert segment.payload == b""


def test_ipv6_extension_headers_are_walked() -> None:
    tcp = parts_of_ipv6_tcp()
    hop_by_hop = bytes((60, 0)) + bytes(6)
    destination_options = bytes((6, 1)) + bytes(14)
    frame = ipv6_frame(0, hop_by_hop + destination_options + tcp)

    segment = tcp_segment(frame)

    assert segment is not None
    assert segment.source_port == 50001


@pytest.mark.parametrize("offset_and_flags", [b"\x20\x00", b"\x00\x01", b"\x3f\xff"])
def test_an_ipv4_fragment_is_not_a_segment(offset_and_flags: bytes) -> None:
    frame = tcp_frame()
    frame = frame[:20] + offset_and_flags + frame[22:]

    packet = ip_packet(frame)
    assert packet is not None
    assert packet.fragment
    assert tcp_segment(frame) is None


def test_an_ipv6_fragment_is_not_a_segment() -> None:
    frame = ipv6_frame(44, bytes((6, 0, 0, 1)) + bytes(4) + parts_of_ipv6_tcp())

    packet = ip_packet(frame)
    assert packet is not None
    assert packet.fragment
    assert tcp_segment(frame) is None


@given(st.binary(max_size=200))
def test_noise_never_raises(frame: bytes) -> None:
    tcp_segment(frame)


@given(damaged_frames())
def test_what_is_found_in_a_damaged_frame_lies_inside_it(frame: bytes) -> None:
    packet, segment = ip_packet(frame), tcp_segment(frame)

    if packet is not None:
        assert 14 <= packet.offset <= packet.transport <= packet.end <= len(frame)
    if segment is not None:
        assert segment.packet.transport + 20 <= segment.payload_offset <= segment.packet.end
        assert rebuilt(segment) == frame or problems(frame)


@given(SEGMENTS, st.integers(0, 10).map(lambda n: b"\x01" * 4 * n), st.binary(max_size=1400))
def test_a_rebuilt_frame_is_valid_and_holds_what_was_asked(
    frame: bytes, options: bytes, payload: bytes
) -> None:
    segment = tcp_segment(frame)
    assert segment is not None

    after = tcp_segment(rebuilt(segment, options=options, payload=payload))

    assert after is not None
    assert (after.options, after.payload) == (options, payload)
    assert after.sequence == segment.sequence
    assert problems(after.packet.frame) == []


@given(SEGMENTS, st.binary(max_size=100), st.integers(1, 0xFFFE))
def test_a_wrong_checksum_stays_as_wrong(frame: bytes, payload: bytes, error: int) -> None:
    segment = tcp_segment(frame)
    assert segment is not None
    at = segment.packet.transport + 16
    right = int.from_bytes(frame[at : at + 2], "big")
    wrong = (right + error) % 0xFFFF
    assume(wrong != right)
    broken = tcp_segment(frame[:at] + wrong.to_bytes(2, "big") + frame[at + 2 :])
    assert broken is not None

    assert problems(rebuilt(broken, payload=payload)) == ["transport checksum"]


@given(FAMILIES)
def test_what_does_not_fit_is_the_callers_mistake(family: int) -> None:
    segment = tcp_segment(tcp_frame(family=family))
    assert segment is not None

    with pytest.raises(ValueError, match="do not fit"):
        rebuilt(segment, options=bytes(3))
    with pytest.raises(ValueError, match="do not fit"):
        rebuilt(segment, options=bytes(44))
    with pytest.raises(ValueError, match="cannot hold"):
        rebuilt(segment, payload=bytes(65_536))


def test_tshark_finds_the_checksums_of_rebuilt_frames_right(tmp_path: Path) -> None:
    capture = WireCapture(tmp_path / "rebuilt.pcap")
    for family in (4, 6):
        for payload in (b"", b"odd", bytes(range(256)) * 5):
            segment = tcp_segment(tcp_frame(family=family, options=DSS, payload=b"before"))
            assert segment is not None
            capture.write(rebuilt(segment, options=MSS, payload=payload), 10**18)
    capture.close()

    command = ["tshark", "-r", str(tmp_path / "rebuilt.pcap"), "-T", "json"]
    settings = ["-o", "ip.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE"]
    done = subprocess.run([*command, *settings], check=True, capture_output=True)

    layers = [packet["_source"]["layers"] for packet in json.loads(done.stdout)]
    assert [layer["tcp"]["tcp.checksum.status"] for layer in layers] == ["1"] * 6
    assert [layer["ip"]["ip.checksum.status"] for layer in layers if "ip" in layer] == ["1"] * 3


def parts_of_ipv6_tcp() -> bytes:
    return tcp_frame(family=6)[54:]


def ipv6_frame(next_header: int, body: bytes) -> bytes:
    packet = ip(6, next_header, CLIENT[6], SERVER[6], body)
    return tcp_frame(family=6)[:14] + packet


def test_the_tests_own_frames_are_valid() -> None:
    body = with_checksum(4, 17, CLIENT[4] + SERVER[4], b"\x01\x02\x00\x35\x00\x0c\0\0data", 6)

    assert problems(tcp_frame()[:14] + ip(4, 17, CLIENT[4], SERVER[4], body)) == []
    assert parts(tcp_frame(options=MSS, payload=b"x")) == (MSS, b"x")
