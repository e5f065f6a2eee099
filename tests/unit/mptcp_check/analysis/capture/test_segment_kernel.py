import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import capture_files as cf
from mptcp_check.analysis.capture.capture_file import read
from mptcp_check.analysis.capture.link_layers import RAW
from mptcp_check.analysis.capture.packets import Note, Packets
from segments import CLIENT_6, SERVER_6, Segment

HOP_BY_HOP = (0, bytes.fromhex("00050200000100"))
DESTINATION = (60, bytes.fromhex("01") + bytes(14))
ROUTING = (43, bytes.fromhex("00040000000000"))
AUTHENTICATION = (51, bytes.fromhex("04") + bytes(22))


def decoded(*segments: Segment, snap_bytes: int = 262_144) -> Packets:
    packets = [segment.packet() for segment in segments]
    return read(cf.pcap(packets, link_type=RAW, snap_bytes=snap_bytes)).packets


def v6(*extensions: tuple[int, bytes], payload: bytes = b"") -> Segment:
    return Segment(source=CLIENT_6, destination=SERVER_6, extensions=extensions, payload=payload)


def test_every_header_field_has_its_column() -> None:
    segment = Segment(
        seq=0xFFFF_FFFF, ack=0x8000_0000, flags=0xFFF, window=1, urgent=2, ttl=3, tos=4, ip_id=5
    )
    packets = decoded(segment)

    names = ("seq", "ack", "flags", "window", "urgent", "ttl", "tos", "ip_id", "family")
    assert [int(getattr(packets, name)[0]) for name in names] == [
        0xFFFF_FFFF,
        0x8000_0000,
        0xFFF,
        1,
        2,
        3,
        4,
        5,
        4,
    ]
    assert (int(packets.src_high[0]), int(packets.src_low[0])) == (0, 0xFFFF_0A00_0001)


def test_ipv6_addresses_have_all_their_bytes() -> None:
    packets = decoded(v6())

    assert (int(packets.src_high[0]), int(packets.src_low[0])) == (0x20010DB8_00000000, 1)
    assert (int(packets.dst_high[0]), int(packets.dst_low[0])) == (0x20010DB8_00000000, 2)
    assert int(packets.family[0]) == 6


@pytest.mark.parametrize(
    "extensions",
    [
        (HOP_BY_HOP,),
        (HOP_BY_HOP, ROUTING, DESTINATION),
        (AUTHENTICATION,),
        (DESTINATION,) * 9,
    ],
)
def test_ipv6_extension_headers_are_passed(extensions: tuple[tuple[int, bytes], ...]) -> None:
    packets = decoded(v6(*extensions, payload=b"behind"))

    assert packets.payload(0) == b"behind"
    assert int(packets.payload_bytes[0]) == 6


def test_only_the_first_fragment_is_a_segment() -> None:
    first = Segment(fragment=0x2000, payload=bytes(8))
    later = Segment(fragment=0x0001)
    first_6 = v6((44, bytes.fromhex("00000100000001")))
    later_6 = v6((44, bytes.fromhex("00000900000001")))

    packets = decoded(first, later, first_6, later_6)

    assert packets.frame.tolist() == [1, 3]
    assert packets.fragment_count == 2
    assert (packets.notes & Note.FRAGMENT > 0).all()


def test_an_ip_length_of_0_is_what_offloading_leaves() -> None:
    packets = decoded(
        Segment(length=0, payload=b"big"),
        Segment(source=CLIENT_6, destination=SERVER_6, length=0, payload=b"bigger"),
    )

    assert packets.payload_bytes.tolist() == [3, 6]
    assert packets.notes.tolist() == [Note.LENGTH_GUESSED] * 2


def test_an_ip_length_beyond_the_frame_is_limited() -> None:
    packets = decoded(Segment(length=1000, payload=b"four"))

    assert packets.payload_bytes.tolist() == [4]
    assert packets.notes.tolist() == [Note.IP_LENGTH]


def test_padding_behind_the_ip_datagram_is_no_payload() -> None:
    frame = cf.ethernet(Segment().packet()) + bytes(6)
    packets = read(cf.pcap([frame])).packets

    assert packets.payload_bytes.tolist() == [0]


@pytest.mark.parametrize("words", [0, 4, 6, 15])
def test_a_data_offset_that_lies_gives_neither_options_nor_payload(words: int) -> None:
    packets = decoded(Segment(header_words=words))

    assert packets.notes.tolist() == [Note.HEADER_LENGTH]
    assert (packets.options_bytes.tolist(), packets.payload_bytes.tolist()) == ([0], [0])


def test_an_ip_datagram_too_short_for_tcp_is_counted() -> None:
    packets = decoded(Segment(length=30))

    assert (len(packets), packets.cut_count) == (0, 1)


def test_the_payload_is_what_was_captured_of_it() -> None:
    packets = decoded(Segment(payload=b"0123456789"), snap_bytes=45)

    assert packets.payload(0) == b"01234"
    assert packets.payload_bytes.tolist() == [10]


def test_cut_options_are_as_many_as_were_captured() -> None:
    packets = decoded(Segment(options=bytes([1] * 8), payload=b"x"), snap_bytes=43)

    assert packets.option_bytes(0) == bytes([1] * 3)
    assert packets.notes.tolist() == [Note.HEADER_CUT]
    assert packets.captured_bytes.tolist() == [0]


HEADERS = st.sampled_from([b"\x45", b"\x46", b"\x4f", b"\x60", b"\x6f", b""])


@given(HEADERS, st.binary(max_size=100), st.sampled_from([6, 0, 43, 44, 51, 60, 255]), st.data())
def test_whatever_an_ip_packet_holds_offsets_stay_within_the_frame(
    first: bytes, rest: bytes, protocol: int, data: st.DataObject
) -> None:
    packet = bytearray(first + rest)
    for place in (6, 9):  # where IPv6 and IPv4 have the protocol
        if len(packet) > place:
            packet[place] = protocol
    after = data.draw(st.binary(max_size=40))
    capture = read(cf.pcap([bytes(packet), after], link_type=RAW))

    packets = capture.packets
    for row in np.flatnonzero(packets.frame == 1):
        end = int(capture.records.offset[0]) + len(packet)
        payload_end = int(packets.payload_offset[row]) + int(packets.captured_bytes[row])
        options_end = int(packets.tcp_offset[row]) + 20 + int(packets.options_bytes[row])
        assert options_end <= end
        assert packets.captured_bytes[row] == 0 or payload_end <= end
        assert packets.captured_bytes[row] <= packets.payload_bytes[row]
