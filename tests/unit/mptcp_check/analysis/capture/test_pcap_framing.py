import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

import capture_files as cf
from mptcp_check.analysis.capture.capture_file import read

FRAMES = [b"first", b"", b"the third frame"]
HEADER_BYTES, RECORD_BYTES = 24, 16


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("nanoseconds", [True, False])
def test_either_byte_order_and_either_precision_give_the_same_records(
    order: cf.Order, *, nanoseconds: bool
) -> None:
    times = [1_700_000_000_123_456_000, 1_700_000_000_999_999_000, 4_294_967_295_000_001_000]
    capture = read(cf.pcap(FRAMES, order=order, nanoseconds=nanoseconds, times_ns=times))

    records = capture.records
    assert capture.format == "pcap"
    assert capture.problems == ()
    assert records.time_ns.tolist() == times
    assert [
        capture.buffer[at : at + length].tobytes()
        for at, length in zip(records.offset, records.captured, strict=True)
    ] == FRAMES


def test_a_cut_frame_keeps_its_length_on_the_wire() -> None:
    records = read(cf.pcap([bytes(100)], snap_bytes=40)).records

    assert (records.captured.tolist(), records.wire.tolist()) == ([40], [100])


def test_kuznetzovs_variant_has_longer_records() -> None:
    header = struct.pack("<IHHiIII", 0xA1B2CD34, 2, 4, 0, 0, 65535, 1)
    record = struct.pack("<IIIIIHBB", 1, 2, 3, 3, 0, 0, 0, 0) + b"abc"

    records = read(header + record + record).records

    assert records.offset.tolist() == [48, 75]
    assert records.time_ns.tolist() == [1_000_002_000] * 2


def test_the_bits_above_the_link_type_are_about_checksums() -> None:
    octets = bytearray(cf.pcap([b"frame"]))
    octets[20:24] = struct.pack("<I", 0x2400_0001)

    assert read(bytes(octets)).interfaces[0].link_type == 1


@given(st.integers(0, HEADER_BYTES + 2 * RECORD_BYTES + 20))
def test_a_file_cut_anywhere_gives_the_whole_frames_before_the_cut(cut: int) -> None:
    whole = cf.pcap([b"0123456789", b"0123456789"])
    capture = read(whole[:cut])

    boundaries = [HEADER_BYTES, HEADER_BYTES + 26, HEADER_BYTES + 52]
    complete = sum(cut >= end for end in boundaries[1:])
    assert len(capture.records.offset) == complete
    assert bool(capture.problems) == (cut not in boundaries)
    assert (capture.format == "") == (cut < HEADER_BYTES)
    if cut > HEADER_BYTES and capture.problems:
        assert capture.problems[0].offset == boundaries[complete]


@pytest.mark.parametrize("length", [262_145, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF])
def test_a_frame_length_that_lies_ends_reading_there(length: int) -> None:
    octets = cf.pcap([b"good"]) + struct.pack("<IIII", 0, 0, length, length) + bytes(300_000)

    capture = read(octets)

    assert len(capture.records.offset) == 1
    assert capture.problems[0].offset == HEADER_BYTES + RECORD_BYTES + 4
    assert "262144" in capture.problems[0].reason


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        (b"", "empty"),
        (b"\xd4", "magic"),
        (b"%PDF-1.4 and so on", "magic"),
        (b"\xd4\xc3\xb2\xa1\x02\x00", "file header"),
        (b"\x1f\x8b\x08\x00", "gzip"),
        (b"\x28\xb5\x2f\xfd\x00", "zstd"),
    ],
)
def test_what_is_no_capture_is_said_and_not_raised(octets: bytes, reason: str) -> None:
    capture = read(octets)

    assert capture.format == ""
    assert reason in capture.problems[0].reason
    assert len(capture.packets) == 0


def test_tables_grow_with_the_count_of_frames() -> None:
    assert len(read(cf.pcap([b""] * 5000)).records.offset) == 5000
