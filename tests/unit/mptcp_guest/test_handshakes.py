import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mptcp_guest import handshakes
from segments import ACK, CLIENT_6, PSH, SERVER_6, SYN, Segment, Talk

ETHERNET_4 = bytes(12) + b"\x08\x00"
ETHERNET_6 = bytes(12) + b"\x86\xdd"
TAGGED_4 = bytes(12) + b"\x81\x00\x00\x07" + b"\x08\x00"
COOKED_4 = bytes(14) + b"\x08\x00"
KEY = 0xF1F2F3F4F5F6F7F8


def answer(**more: object) -> bytes:
    return Segment(seq=7, ack=0, flags=SYN | ACK, **more).packet()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("frame", "link_type"),
    [
        (ETHERNET_4 + answer(), 1),
        (TAGGED_4 + answer(), 1),
        (ETHERNET_6 + answer(source=SERVER_6, destination=CLIENT_6), 1),
        (COOKED_4 + answer(), 113),
        (answer(), 101),
        (answer(options=b"\x01\x01\x02\x04\x05\xb4"), 12),
    ],
)
def test_an_answer_tells_both_sequence_numbers(frame: bytes, link_type: int) -> None:
    found = handshakes.answered(frame, link_type)

    assert found == {"initiator_isn": 2**32 - 1, "responder_isn": 7, "responder_key": ""}


def test_an_answer_with_mp_capable_tells_the_key_of_who_sent_it() -> None:
    talk = Talk(server_key=KEY)
    talk.capable(talk.subflow(("10.0.0.1", 1), ("10.0.0.2", 80)))
    found = [handshakes.answered(packet, 101) for packet in talk.packets()]

    assert [one["responder_key"] for one in found if one] == [f"{KEY:016x}"]


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        ETHERNET_4,
        ETHERNET_4 + Segment(flags=SYN).packet(),
        ETHERNET_4 + Segment(flags=ACK | PSH, payload=b"x").packet(),
        ETHERNET_4 + answer(fragment=5),
        bytes(12) + b"\x08\x06" + bytes(28),
    ],
)
def test_anything_else_tells_nothing(frame: bytes) -> None:
    assert handshakes.answered(frame, 1) is None


@given(st.binary(max_size=120), st.sampled_from([0, 1, 12, 101, 113]))
def test_no_frame_raises(frame: bytes, link_type: int) -> None:
    handshakes.answered(frame, link_type)


@given(st.binary(max_size=60), st.integers(0, 119))
def test_no_answer_that_is_damaged_raises(damage: bytes, at: int) -> None:
    talk = Talk()
    talk.capable(talk.subflow(("10.0.0.1", 1), ("10.0.0.2", 80)))
    packet = talk.packets()[1]
    handshakes.answered((packet[:at] + damage + packet[at + len(damage) :])[:at], 101)


def pcap(path: Path, packets: list[bytes], *, cut: int = 0) -> None:
    header = struct.pack("=IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262144, 101)
    records = [struct.pack("=IIII", 1, 2, len(p), len(p)) + p for p in packets]
    whole = header + b"".join(records)
    path.write_bytes(whole[: len(whole) - cut])


def test_a_growing_capture_is_looked_at_once(tmp_path: Path) -> None:
    path = tmp_path / "x.pcap"
    first, second = answer(), answer(ip_id=9)
    pcap(path, [first, Segment().packet(), second], cut=3)
    found = handshakes.since(path, 0)
    assert len(found.handshakes) == 1

    pcap(path, [first, Segment().packet(), second])
    again = handshakes.since(path, found.end_bytes)
    assert len(again.handshakes) == 1
    assert again.end_bytes == path.stat().st_size
    assert handshakes.since(path, again.end_bytes).handshakes == ()


@given(st.binary(max_size=200))
def test_no_file_raises(tmp_path_factory: pytest.TempPathFactory, octets: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.pcap"
    path.write_bytes(octets)
    assert handshakes.since(path, 0).end_bytes <= max(24, len(octets))
