"""What each box that looks at one segment at a time makes of a segment, byte for byte.

Both the frame that goes in and the one that is expected are built whole by the tests' own code,
checksums and all, so one comparison says that the named change happened and nothing else did.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mptcp_check.errors import UsageError
from mptcp_check.middleboxes.behaviour import Behaviour
from mptcp_check.middleboxes.registry import BEHAVIOURS, IMPAIRMENTS, build
from mptcp_check.model import Direction
from segment_frames import direction_of, frame_of, in_family
from segments import CLIENT, SERVER, Segment
from wire_frames import SEGMENTS, damaged_frames, parts, problems

C2S, S2C = Direction.C2S, Direction.S2C
PSH = 0x08
FIN, SYN, RST, ACK, URG, ECE, CWR, AE = 0x01, 0x02, 0x04, 0x10, 0x20, 0x40, 0x80, 0x100
SYN_ACK = SYN | ACK
DATA_ACK = PSH | ACK
"""What carries this has payload, in the tables."""
NONE = b""

MSS = bytes.fromhex("020405b4")
SACK_PERMITTED = bytes.fromhex("0402")
TIMESTAMPS = bytes.fromhex("080a 00000010 00000020")
WINDOW_SCALE = bytes.fromhex("01 030307")
UNKNOWN = bytes.fromhex("4004abcd")
"""Kind 64, which IANA has reserved."""
LINUX = MSS + SACK_PERMITTED + TIMESTAMPS + WINDOW_SCALE
NOPS = b"\x01"
KEY_A, KEY_B = bytes(range(8)), bytes(range(8, 16))
WRONG_A, WRONG_B = KEY_A[:7] + b"\xf8", KEY_B[:7] + b"\xf0"
CAPABLE_SYN = bytes.fromhex("1e040101")
CAPABLE_SYN_V0 = bytes.fromhex("1e0c0081") + KEY_A
CAPABLE_SYN_ACK = bytes.fromhex("1e0c0101") + KEY_B
CAPABLE_ACK = bytes.fromhex("1e140101") + KEY_A + KEY_B
CAPABLE_DATA = bytes.fromhex("1e160101") + KEY_A + KEY_B + b"\0\x09"
JOIN_SYN = bytes.fromhex("1e0c1001") + bytes(8)
JOIN_ACK = bytes.fromhex("1e181000") + bytes(20)
ADD_ADDR = bytes.fromhex("1e103001 0a4d0002") + bytes(8)
ADD_ADDR_ECHO = bytes.fromhex("1e083101 0a4d0002")
ADD_ADDR_V0 = bytes.fromhex("1e083401 0a4d0002")
DSS = bytes.fromhex("1e142001") + bytes(16)

Change = Mapping[str, Any] | None
"""Fields that differ in what leaves; none if nothing leaves."""
SAME: Change = {}
DROPPED: Change = None
OptionRow = tuple[str, int, bytes, bytes | Change]
"""A box, the flags of a segment, its options, and what becomes of them."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One segment in front of one box, and what becomes of it."""

    box: str
    segment: Segment
    becomes: Change
    families: tuple[int, ...] = (4, 6)


def row(box: str, becomes: Change, *, only: int | None = None, **fields: Any) -> Row:  # noqa: ANN401 - fields of a segment
    """Return a row; the segment comes from the server if it is a SYN/ACK."""
    if fields.get("flags") == SYN_ACK:
        fields = {"source": SERVER, "destination": CLIENT} | fields
    families = (4, 6) if only is None else (only,)
    return Row(box=box, segment=Segment(**fields), becomes=becomes, families=families)


def option_row(box: str, flags: int, before: bytes, after: bytes | Change) -> Row:
    """Return a row about the options of a segment."""
    change = {"options": after} if isinstance(after, bytes) else after
    payload = b"data" if flags & PSH else b""
    return row(box, change, flags=flags, options=before, payload=payload)


HANDSHAKE: list[OptionRow] = [
    ("mp_capable_synack_dropped", SYN_ACK, LINUX + CAPABLE_SYN_ACK, DROPPED),
    ("mp_capable_synack_dropped", SYN_ACK, LINUX, SAME),
    ("mp_capable_synack_dropped", SYN, LINUX + CAPABLE_SYN, SAME),
    ("mp_capable_synack_dropped", SYN_ACK, JOIN_SYN, SAME),
    ("mp_capable_synack_dropped", ACK, CAPABLE_ACK, SAME),
    ("mp_capable_synack_dropped:ports=443", SYN_ACK, CAPABLE_SYN_ACK, SAME),
    ("mp_capable_syn_reset", SYN, LINUX, SAME),
    ("mp_capable_syn_reset", SYN, JOIN_SYN, SAME),
    ("mp_capable_syn_reset", SYN_ACK, CAPABLE_SYN_ACK, SAME),
    ("mptcp_option_echoed", SYN, MSS + CAPABLE_SYN, MSS + NOPS * 4),
    ("mptcp_option_echoed:removal=delete", SYN, MSS + CAPABLE_SYN, MSS),
    ("mptcp_option_echoed:strip_from_syn=no", SYN, MSS + CAPABLE_SYN, SAME),
    ("mptcp_option_echoed", SYN, MSS + JOIN_SYN, SAME),
    ("mptcp_option_echoed", SYN_ACK, MSS + CAPABLE_SYN_ACK, SAME),
    ("mptcp_option_echoed", ACK, CAPABLE_ACK, SAME),
    ("mp_capable_key_altered",
     SYN_ACK, LINUX + CAPABLE_SYN_ACK, LINUX + CAPABLE_SYN_ACK[:4] + WRONG_B),
    ("mp_capable_key_altered", SYN, CAPABLE_SYN, SAME),
    ("mp_capable_key_altered", SYN, CAPABLE_SYN_V0, SAME),
    ("mp_capable_key_altered", ACK, CAPABLE_ACK, SAME),
    ("mp_capable_key_altered", SYN_ACK, JOIN_SYN, SAME),
    ("mp_capable_key_altered", RST | ACK, CAPABLE_SYN_ACK, SAME),
    ("mp_capable_key_altered:restored=yes", ACK, CAPABLE_ACK, CAPABLE_ACK[:4] + KEY_A + WRONG_B),
    ("mp_capable_key_altered:steps=ack,mask=0xff",
     DATA_ACK, CAPABLE_DATA, CAPABLE_DATA[:4] + WRONG_A + CAPABLE_DATA[12:] + b"\0\0"),
    ("mp_capable_key_altered:steps=ack,restored=yes",
     ACK, CAPABLE_ACK, CAPABLE_ACK[:4] + WRONG_A + KEY_B),
    ("mp_capable_key_altered:steps=syn", SYN, CAPABLE_SYN_V0, CAPABLE_SYN_V0[:4] + WRONG_A),
    ("mp_capable_key_altered:steps=syn", SYN, CAPABLE_SYN, SAME),
    ("long_options_dropped", SYN, LINUX + CAPABLE_SYN, SAME),
    ("long_options_dropped", SYN_ACK, LINUX + CAPABLE_SYN_ACK, DROPPED),
    ("long_options_dropped", ACK, TIMESTAMPS + CAPABLE_ACK, DROPPED),
    ("long_options_dropped:limit_bytes=32", SYN_ACK, LINUX + CAPABLE_SYN_ACK, SAME),
    ("long_options_dropped:limit_bytes=0", SYN, MSS, DROPPED),
    ("long_options_dropped:limit_bytes=0", DATA_ACK, NONE, SAME),
]  # fmt: skip

SUBFLOWS: list[OptionRow] = [
    ("mp_join_dropped", SYN, MSS + JOIN_SYN, DROPPED),
    ("mp_join_dropped", SYN, LINUX + CAPABLE_SYN, SAME),
    ("mp_join_dropped", SYN_ACK, JOIN_SYN, SAME),
    ("mp_join_dropped", ACK, JOIN_ACK, SAME),
    ("mp_join_reset", SYN, LINUX + CAPABLE_SYN, SAME),
    ("mp_join_reset", ACK, JOIN_ACK, SAME),
    ("add_addr_removed", ACK, ADD_ADDR, NOPS * 16),
    ("add_addr_removed", ACK, TIMESTAMPS + ADD_ADDR_ECHO, TIMESTAMPS + NOPS * 8),
    ("add_addr_removed", ACK, ADD_ADDR_V0, NOPS * 8),
    ("add_addr_removed:removal=delete", DATA_ACK, ADD_ADDR, b""),
    ("add_addr_removed:messages=announcement", ACK, ADD_ADDR_ECHO, SAME),
    ("add_addr_removed:messages=echo", ACK, ADD_ADDR, SAME),
    ("add_addr_removed:messages=echo", ACK, ADD_ADDR_V0, SAME),
    ("add_addr_removed:messages=echo", ACK, ADD_ADDR_ECHO, NOPS * 8),
    ("add_addr_removed", ACK, DSS, SAME),
]  # fmt: skip

DATA: list[OptionRow] = [
    ("mptcp_option_removed_from_data", ACK, CAPABLE_ACK, NOPS * 20),
    ("mptcp_option_removed_from_data", DATA_ACK, DSS, NOPS * 20),
    ("mptcp_option_removed_from_data", ACK, JOIN_ACK, NOPS * 24),
    ("mptcp_option_removed_from_data", FIN | ACK, DSS, NOPS * 20),
    ("mptcp_option_removed_from_data:removal=delete", DATA_ACK, TIMESTAMPS + DSS, TIMESTAMPS),
    ("mptcp_option_removed_from_data", SYN, CAPABLE_SYN, SAME),
    ("mptcp_option_removed_from_data", SYN_ACK, CAPABLE_SYN_ACK, SAME),
    ("mptcp_option_removed_from_data", DATA_ACK, TIMESTAMPS, SAME),
    ("mptcp_option_removed_from_data:direction=s2c", ACK, DSS, SAME),
    ("mptcp_option_removed_midstream", DATA_ACK, DSS, SAME),
    ("mptcp_option_removed_midstream:first_segment=1", DATA_ACK, DSS, NOPS * 20),
    ("mptcp_option_removed_midstream:first_segment=1", SYN, CAPABLE_SYN, SAME),
    ("mptcp_data_dropped", DATA_ACK, DSS, DROPPED),
    ("mptcp_data_dropped", DATA_ACK, CAPABLE_DATA, DROPPED),
    ("mptcp_data_dropped", ACK, DSS, SAME),
    ("mptcp_data_dropped", DATA_ACK, TIMESTAMPS, SAME),
]  # fmt: skip

MSS_1200 = bytes.fromhex("020404b0")

UNALIGNED = MSS + WINDOW_SCALE[1:] + TIMESTAMPS + SACK_PERMITTED

TCP_OPTIONS: list[OptionRow] = [
    ("mss_clamped", SYN, MSS + CAPABLE_SYN, MSS_1200 + CAPABLE_SYN),
    ("mss_clamped", SYN_ACK, MSS, MSS_1200),
    ("mss_clamped:mss_bytes=1460", SYN, MSS, SAME),
    ("mss_clamped", SYN, LINUX[4:], SAME),
    ("mss_clamped", DATA_ACK, MSS, SAME),
    ("mss_clamped", SYN, bytes.fromhex("0203 ff 01"), SAME),
    ("tcp_option_removed", SYN, LINUX, LINUX[:6] + NOPS * 10 + WINDOW_SCALE),
    ("tcp_option_removed", DATA_ACK, TIMESTAMPS + DSS, NOPS * 10 + DSS),
    ("tcp_option_removed:removal=delete", SYN, LINUX, LINUX[:6] + WINDOW_SCALE),
    ("tcp_option_removed:kinds=3+4", SYN, LINUX, MSS + NOPS * 2 + TIMESTAMPS + NOPS * 4),
    ("tcp_option_removed", SYN, MSS + CAPABLE_SYN, SAME),
    ("tcp_option_altered", SYN, MSS + CAPABLE_SYN, bytes.fromhex("02042300") + CAPABLE_SYN),
    ("tcp_option_altered:kind=8,value=0xff",
     DATA_ACK, TIMESTAMPS, bytes.fromhex("080a ff000010 00000020")),
    ("tcp_option_altered:kind=4", SYN, SACK_PERMITTED, SAME),
    ("tcp_option_altered", SYN, CAPABLE_SYN, SAME),
    ("unknown_option_removed", SYN, MSS + UNKNOWN + CAPABLE_SYN, MSS + NOPS * 4 + CAPABLE_SYN),
    ("unknown_option_removed:removal=delete", DATA_ACK, UNKNOWN + DSS, DSS),
    ("unknown_option_removed", SYN, LINUX + CAPABLE_SYN, SAME),
    ("unknown_option_removed:known=2+3+4+8", SYN, LINUX + CAPABLE_SYN, LINUX + NOPS * 4),
    ("unknown_option_echoed", SYN, MSS + UNKNOWN, SAME),
    ("unknown_option_echoed:strip_from_syn=yes", SYN, MSS + UNKNOWN, MSS + NOPS * 4),
    ("unknown_option_dropped", SYN, MSS + UNKNOWN, DROPPED),
    ("unknown_option_dropped", DATA_ACK, UNKNOWN, DROPPED),
    ("unknown_option_dropped", SYN, bytes.fromhex("fd04 f989"), DROPPED),
    ("unknown_option_dropped", SYN, LINUX + CAPABLE_SYN, SAME),
    ("unknown_option_dropped:known=2", SYN, CAPABLE_SYN, DROPPED),
    ("option_padding_sensitive", SYN, LINUX + CAPABLE_SYN, SAME),
    ("option_padding_sensitive", SYN_ACK, LINUX + CAPABLE_SYN_ACK, SAME),
    ("option_padding_sensitive", SYN, UNALIGNED, DROPPED),
    ("option_padding_sensitive", SYN_ACK, UNALIGNED, DROPPED),
    ("option_padding_sensitive", ACK, NOPS + DSS, SAME),
    ("option_padding_sensitive:syn_only=no", ACK, NOPS + DSS, DROPPED),
    ("option_padding_sensitive", SYN, MSS + b"\0\0\0\0" + UNALIGNED, SAME),
    ("window_scale_altered", SYN, LINUX, LINUX[:-1] + b"\x06"),
    ("window_scale_altered:change=14", SYN_ACK, LINUX, LINUX[:-1] + b"\x0e"),
    ("window_scale_altered:change=-14", SYN, LINUX, LINUX[:-1] + b"\0"),
    ("window_scale_altered", SYN, MSS, SAME),
    ("window_scale_altered", DATA_ACK, WINDOW_SCALE, SAME),
    ("timestamp_altered:offset=1", SYN, TIMESTAMPS, bytes.fromhex("080a 00000011 00000020")),
    ("timestamp_altered:offset=1", ACK, TIMESTAMPS, bytes.fromhex("080a 00000011 0000001f")),
    ("timestamp_altered:offset=-17", ACK, TIMESTAMPS, bytes.fromhex("080a ffffffff 00000031")),
    ("timestamp_altered:offset=1,direction=c2s",
     ACK, TIMESTAMPS, bytes.fromhex("080a 00000011 00000020")),
    ("timestamp_altered:offset=1,direction=c2s",
     SYN_ACK, TIMESTAMPS, bytes.fromhex("080a 00000010 0000001f")),
    ("timestamp_altered:offset=1,direction=s2c",
     SYN_ACK, TIMESTAMPS, bytes.fromhex("080a 00000011 00000020")),
    ("timestamp_altered", DATA_ACK, DSS, SAME),
]  # fmt: skip

FIELDS: list[Row] = [
    row("window_altered", {"window": 500}, flags=ACK, window=1001, options=DSS),
    row("window_altered", SAME, flags=ACK, window=1),
    row("window_altered:percent=0", {"window": 1}, flags=SYN, window=64000),
    row("window_altered", SAME, flags=ACK, window=0),
    row("window_altered", SAME, flags=RST, window=100),
    row("dscp_altered", {"tos": 0x22}, flags=SYN, tos=0x02, options=CAPABLE_SYN),
    row("dscp_altered:dscp=0", {"tos": 0x01}, flags=ACK, tos=0xB9, payload=b"d"),
    row("dscp_altered:dscp=63", {"tos": 0xFC}, flags=ACK, payload=b"d"),
    row("dscp_altered", SAME, flags=ACK, tos=0x20),
    row("ecn_cleared", {"tos": 0xB8}, flags=ACK | ECE, tos=0xBB, payload=b"d"),
    row("ecn_cleared", SAME, flags=SYN | ECE | CWR, tos=0xB8),
    row("ecn_cleared:headers=tcp", {"flags": SYN}, flags=SYN | ECE | CWR, tos=2),
    row("ecn_cleared:headers=tcp+ip", {"flags": ACK, "tos": 0}, flags=ACK | CWR, tos=2),
    row("ecn_cleared:headers=tcp", SAME, flags=ACK | URG | AE, tos=2, payload=b"d"),
    row("ttl_altered", {"ttl": 128}, flags=SYN, ttl=64),
    row("ttl_altered:value=64", SAME, flags=SYN, ttl=64),
    row("ttl_altered:operation=subtract,value=3", {"ttl": 61}, flags=ACK, ttl=64, payload=b"d"),
    row("ttl_altered:operation=subtract,value=3", DROPPED, flags=ACK, ttl=3),
    row("ttl_altered:operation=raise,value=32", {"ttl": 32}, flags=ACK, ttl=1),
    row("ttl_altered:operation=raise,value=32", SAME, flags=ACK, ttl=33),
    row("ip_id_altered", {"ip_id": 1}, only=4, flags=SYN, ip_id=0xABCD),
    row("ip_id_altered:first=0,step=0", {"ip_id": 0}, only=4, flags=ACK, payload=b"d"),
    row("ip_id_altered", SAME, only=6, flags=SYN),
    row("ip_id_altered:first=7", SAME, only=4, flags=SYN, ip_id=7),
    row("urgent_pointer_cleared",
     {"urgent": 0, "flags": ACK}, flags=ACK | URG, urgent=3, payload=b"urg"),
    row("urgent_pointer_cleared", {"urgent": 0}, flags=ACK, urgent=3),
    row("urgent_pointer_cleared", {"flags": ACK}, flags=ACK | URG, urgent=0),
    row("urgent_pointer_cleared:clear_flag=no", {"urgent": 0}, flags=ACK | URG, urgent=3),
    row("urgent_pointer_cleared", SAME, flags=ACK | CWR, payload=b"d"),
    row("reserved_bits_cleared",
     {"flags": SYN | CWR}, flags=SYN | CWR | 0xF00, options=CAPABLE_SYN),
    row("reserved_bits_cleared:mask=14", {"flags": SYN | AE}, flags=SYN | 0xF00),
    row("reserved_bits_cleared:mask=1", {"flags": ACK | 0xE00}, flags=ACK | 0xF00),
    row("reserved_bits_cleared", SAME, flags=SYN | ECE, options=CAPABLE_SYN),
]  # fmt: skip

OPTION_ROWS = [*HANDSHAKE, *SUBFLOWS, *DATA, *TCP_OPTIONS]
ROWS = [*(option_row(*each) for each in OPTION_ROWS), *FIELDS]
OTHER_TESTS = {
    "ack_hole_altered",
    "acked_by_middlebox",
    "address_translated",
    "checksum_invalid",
    "connection_proxied",
    "hole_blocked",
    "mp_capable_removed_from_syn",
    "mp_capable_removed_from_synack",
    "mp_capable_syn_dropped",
    "mp_join_removed",
    "path_blackholed",
    "payload_altered",
    "payload_resized",
    "reset_injected",
    "retransmission_altered",
    "segments_coalesced",
    "segments_split",
    "sequence_numbers_rewritten",
}  # fmt: skip


def made(text: str) -> Behaviour:
    return build(text, link_index=0, rng=random.Random(1))  # noqa: S311 - a seed, no secret


def named(each: Row) -> str:
    what = "drops" if each.becomes is None else "changes" if each.becomes else "passes"
    return f"{each.box} {what} {each.segment.flags:#x} {each.segment.options.hex()[:24]}"


@pytest.mark.parametrize("each", ROWS, ids=named)
def test_a_segment_leaves_changed_as_the_table_says_and_in_nothing_else(each: Row) -> None:
    for family in each.families:
        segment = in_family(each.segment, family)
        frame, direction = frame_of(segment), direction_of(segment)
        box = made(each.box)

        emissions = box.on_frame(frame, direction, 7)

        assert all(e.at_ns == 7 and e.direction is direction for e in emissions)
        left = [e.frame for e in emissions]
        if each.becomes is None:
            assert left == []
        elif each.becomes:
            assert left == [frame_of(replace(segment, **each.becomes))]
            assert problems(left[0]) == []
        else:
            assert left[0] is frame
        assert box.acted_count == (each.becomes != SAME)


@pytest.mark.parametrize("each", [r for r in ROWS if "ip_id" not in r.box], ids=named)
def test_a_segment_that_is_sent_again_is_treated_as_the_first_time(each: Row) -> None:
    box, frame, direction = made(each.box), frame_of(each.segment), direction_of(each.segment)

    once, again = (box.on_frame(frame, direction, 0) for _ in range(2))

    assert once == again


def test_every_behaviour_has_rows_or_tests_of_its_own() -> None:
    in_rows = {each.box.partition(":")[0] for each in ROWS}

    assert not in_rows & OTHER_TESTS
    assert in_rows | OTHER_TESTS | IMPAIRMENTS >= set(BEHAVIOURS)


REWRITERS = sorted({each.box for each in ROWS})


@given(SEGMENTS, st.sampled_from(REWRITERS), st.sampled_from((C2S, S2C)))
def test_whatever_leaves_has_right_checksums_and_the_same_payload(
    frame: bytes, box: str, direction: Direction
) -> None:
    for emission in made(box).on_frame(frame, direction, 0):
        assert problems(emission.frame) == []
        tag_bytes = 4 if frame[12:14] == b"\x81\x00" else 0
        if emission.direction is direction:
            assert parts(emission.frame[tag_bytes:])[1] == parts(frame[tag_bytes:])[1]


@given(
    st.sampled_from([*REWRITERS, "checksum_invalid:minimum_payload_bytes=0"]),
    st.lists(st.tuples(damaged_frames(), st.sampled_from((C2S, S2C))), max_size=8),
)
def test_no_frame_makes_a_box_raise_and_none_is_made_of_nothing(
    text: str, frames: list[tuple[bytes, Direction]]
) -> None:
    box = made(text)
    for frame, direction in frames:
        assert len(box.on_frame(frame, direction, 0)) <= 1
    assert 0 <= box.acted_count <= len(frames)


def test_the_padding_of_a_short_ethernet_frame_stays_behind_the_packet() -> None:
    segment = Segment(flags=SYN, options=MSS)
    short = frame_of(segment, tail=b"\0" * 6)

    (emission,) = made("mss_clamped").on_frame(short, C2S, 0)

    assert emission.frame == frame_of(replace(segment, options=MSS_1200), tail=b"\0" * 6)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("long_options_dropped:limit_bytes=40", "multiple of 4 below 40"),
        ("long_options_dropped:limit_bytes=10", "multiple of 4"),
        ("mp_capable_key_altered:mask=0", "1 to 255"),
        ("mp_capable_syn_reset:hop_limit=0", "1 to 255"),
        ("mp_join_reset:hop_limit=256", "1 to 255"),
        ("mss_clamped:mss_bytes=0", "1 to 65535"),
        ("tcp_option_removed:kinds=30", "option kind 30 cannot be used"),
        ("tcp_option_removed:kinds=1", "option kind 1 cannot"),
        ("tcp_option_altered:kind=256", "option kind 256 cannot"),
        ("tcp_option_altered:value=0x", "1 to 38 bytes, not 0"),
        ("unknown_option_removed:known=300", "option kind 300"),
        ("unknown_option_echoed:known=300", "option kind 300"),
        ("unknown_option_dropped:known=300", "option kind 300"),
        ("window_altered:percent=100", "0 to 99"),
        ("window_scale_altered:change=0", "not 0"),
        ("timestamp_altered:offset=4294967296", "would alter nothing"),
        ("dscp_altered:dscp=64", "0 to 63"),
        ("ttl_altered:value=0", "1 to 255"),
        ("ip_id_altered:first=65536", "0 to 65535"),
        ("reserved_bits_cleared:mask=16", "1 to 15"),
        ("checksum_invalid:segment_count=0", "at least 1"),
    ],
)
def test_parameters_that_mean_nothing_are_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        made(text)
