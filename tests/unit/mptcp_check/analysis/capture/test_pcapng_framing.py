import struct

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import capture_files as cf
from mptcp_check.analysis.capture.capture_file import read
from mptcp_check.analysis.capture.pcapng_framing import LATEST_S, nanoseconds
from mptcp_check.analysis.capture.records import Interface

GOOD = cf.section() + cf.interface() + cf.enhanced(b"good", 1)


def test_sections_have_their_own_byte_order_and_their_own_interfaces() -> None:
    octets = (
        cf.section("<")
        + cf.interface("<", name=b"eth0")
        + cf.interface("<", name=b"eth1", link_type=101)
        + cf.enhanced(b"a", 1_000_001, number=1)
        + cf.section(">")
        + cf.interface(">", name=b"wlan0", link_type=113)
        + cf.enhanced(b"b", 2_000_002, order=">", number=0)
        + cf.obsolete(b"c", 3_000_003, order=">", number=0)
    )
    capture = read(octets)

    assert capture.problems == ()
    assert [known.name for known in capture.interfaces] == ["eth0", "eth1", "wlan0"]
    assert [known.link_type for known in capture.interfaces] == [1, 101, 113]
    assert capture.records.interface.tolist() == [1, 2, 2]
    assert capture.records.time_ns.tolist() == [1_000_001_000, 2_000_002_000, 3_000_003_000]
    assert [int(capture.buffer[at]) for at in capture.records.offset] == list(b"abc")


def test_blocks_that_hold_no_packets_are_skipped() -> None:
    name_resolution = cf.block("<", 4, struct.pack("<HH", 0, 0))
    custom = cf.block("<", 0x0BAD, b"whatever it is")
    octets = GOOD + name_resolution + custom + cf.enhanced(b"more", 2)

    capture = read(octets)

    assert capture.problems == ()
    assert len(capture.records.offset) == 2


def test_a_simple_packet_has_no_time_and_is_cut_by_the_snap_length() -> None:
    octets = cf.section() + cf.interface(snap_bytes=6) + cf.simple(b"123456", wire=90)

    records = read(octets).records

    assert (records.captured.tolist(), records.wire.tolist()) == ([6], [90])
    assert records.time_ns.tolist() == [0]


def test_statistics_name_what_was_received_and_dropped() -> None:
    octets = (
        cf.section()
        + cf.interface(name=b"a")
        + cf.interface(name=b"b")
        + cf.statistics(number=1, received=1000, dropped=3)
        + cf.statistics(number=7, received=1, dropped=1)
    )

    assert read(octets).interfaces == (
        Interface(name="a", link_type=1),
        Interface(name="b", link_type=1, received_count=1000, dropped_count=3),
    )


def test_many_interfaces_are_told_apart() -> None:
    octets = cf.section()
    octets += b"".join(cf.interface(name=b"if%d" % n) for n in range(50))
    octets += cf.enhanced(b"x", 0, number=49)

    capture = read(octets)

    assert capture.interfaces[int(capture.records.interface[0])].name == "if49"


def with_length(octets: bytes, at: int, length: int) -> bytes:
    return octets[: at + 4] + struct.pack("<I", length) + octets[at + 8 :]


BAD_BLOCKS = {
    "length 0": with_length(cf.enhanced(b"bad", 1), 0, 0),
    "length below 12": with_length(cf.enhanced(b"bad", 1), 0, 8),
    "length no multiple of 4": with_length(cf.enhanced(b"bad", 1), 0, 33),
    "length of 4 GiB": with_length(cf.enhanced(b"bad", 1), 0, 0xFFFF_FFFC),
    "lengths that differ": cf.enhanced(b"bad", 1)[:-4] + struct.pack("<I", 40),
    "unknown interface": cf.enhanced(b"bad", 1, number=1),
    "unknown interface, far": cf.enhanced(b"bad", 1, number=0xFFFF_FFFF),
    "frame longer than its block": cf.block("<", 6, struct.pack("<IIIII", 0, 0, 0, 5, 5) + b"bad"),
    "packet block too short": cf.block("<", 6, bytes(16)),
    "interface block too short": cf.block("<", 1, bytes(4)),
    "statistics block too short": cf.block("<", 5, bytes(8)),
    "section without byte order": cf.block("<", 0x0A0D0D0A, bytes(16)),
    "section of version 2": cf.block("<", 0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 2, 0, -1)),
    "cut in a block": cf.enhanced(b"bad", 1)[:-6],
    "cut in a block's head": cf.enhanced(b"bad", 1)[:5],
    "cut in a section's head": cf.section()[:9],
}


@pytest.mark.parametrize("name", BAD_BLOCKS)
def test_a_block_that_cannot_be_right_ends_reading_there(name: str) -> None:
    capture = read(GOOD + BAD_BLOCKS[name] + cf.enhanced(b"after", 2))

    assert len(capture.records.offset) == 1
    assert [problem.offset for problem in capture.problems] == [len(GOOD)]


def test_a_file_that_begins_badly_is_no_capture() -> None:
    capture = read(BAD_BLOCKS["section without byte order"])

    assert capture.format == ""
    assert capture.problems[0].reason == "a section without a byte order"


@given(st.integers(0, len(GOOD)))
def test_a_file_cut_anywhere_never_gives_half_a_frame(cut: int) -> None:
    capture = read(GOOD[:cut])

    assert len(capture.records.offset) == (cut == len(GOOD))
    whole_blocks = (len(cf.section()), len(cf.section() + cf.interface()), len(GOOD))
    assert bool(capture.problems) == (cut not in whole_blocks)


@given(
    ticks=st.integers(0, 2**64 - 1),
    resolution=st.integers(0, 255),
    offset_s=st.integers(-(2**63), 2**63 - 1) | st.integers(-LATEST_S, LATEST_S) | st.just(0),
)
@example(ticks=2**64 - 1, resolution=0x80 | 63, offset_s=0)
@example(ticks=2**64 - 1, resolution=0x80 | 31, offset_s=-1)
@example(ticks=1_700_000_000_123_456_789, resolution=9, offset_s=3600)
@example(ticks=2**40, resolution=0x80 | 20, offset_s=0)
def test_any_resolution_gives_exact_nanoseconds(ticks: int, resolution: int, offset_s: int) -> None:
    exponent = resolution & 0x7F
    per_second = 2**exponent if resolution & 0x80 else 10**exponent
    seconds = ticks // per_second
    exact = ticks * 10**9 // per_second + offset_s * 10**9

    made = nanoseconds(ticks >> 32, ticks & 0xFFFF_FFFF, resolution, offset_s)

    if seconds <= LATEST_S and abs(offset_s) <= LATEST_S and abs(seconds + offset_s) <= LATEST_S:
        assert made == exact
    else:
        assert abs(made) == LATEST_S * 10**9


def test_an_interface_says_how_its_times_count() -> None:
    octets = (
        cf.section()
        + cf.interface(resolution=9, offset_s=10)
        + cf.interface(resolution=0x80 | 10)
        + cf.enhanced(b"", 5, number=0)
        + cf.enhanced(b"", 1024 + 512, number=1)
    )

    assert read(octets).records.time_ns.tolist() == [10_000_000_005, 1_500_000_000]


@pytest.mark.parametrize(
    "tail",
    [struct.pack("<HH", 2, 400), struct.pack("<HH", 9, 2) + b"ab\0\0", b"\x02\x00", b""],
)
def test_options_that_do_not_parse_leave_the_interface_usable(tail: bytes) -> None:
    body = struct.pack("<HHI", 101, 0, 0) + tail + bytes(-len(tail) % 4)
    capture = read(cf.section() + cf.block("<", 1, body) + cf.enhanced(b"x", 7))

    assert capture.interfaces[0] == Interface(name="", link_type=101)
    assert capture.records.time_ns.tolist() == [7000]
