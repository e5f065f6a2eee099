import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mptcp_guest import first_hop
from mptcp_guest.messages import FirstHopArguments
from mptcp_guest.refusal import RefusalError
from wire_frames import words_sum

SOURCE = {4: "10.0.0.2", 6: "2001:db8:1::2"}


def asking(version: int = 4) -> FirstHopArguments:
    return FirstHopArguments(
        interface="eth0",
        address={4: "198.51.100.10", 6: "2001:db8::10"}[version],
        port=80,
        source_port=40000,
        isn=0xFFFF_FFFF,
        hop_limit=1,
        within_s=1.0,
    )


def answering(flags: int, options: bytes = b"", acknowledged: int = 0) -> bytes:
    words = (20 + len(options)) // 4
    return (
        struct.pack("!HHIIBBHHH", 80, 40000, 9, acknowledged, words << 4, flags, 0, 0, 0) + options
    )


def in_ipv4(segment: bytes) -> bytes:
    return bytes([0x46, *range(19)]) + b"\0" * 4 + segment  # a header with an option


@pytest.mark.parametrize("version", [4, 6])
def test_the_syn_carries_mp_capable_and_a_true_checksum(version: int) -> None:
    segment = first_hop.syn(asking(version), SOURCE[version], version)
    family = socket.AF_INET if version == 4 else socket.AF_INET6
    ends = [SOURCE[version], asking(version)["address"]]
    pseudo = b"".join(socket.inet_pton(family, end) for end in ends)
    pseudo += struct.pack("!II", len(segment), 6)

    assert struct.unpack_from("!HHIIBB", segment) == (40000, 80, 0xFFFF_FFFF, 0, 8 << 4, 2)
    assert first_hop.has_mp_capable(segment[20:])
    assert words_sum(pseudo + segment) == 0xFFFF


def test_only_the_answer_to_our_own_syn_counts() -> None:
    ours = first_hop.answer(in_ipv4(answering(0x12)), asking(), 4)

    assert ours is not None
    assert (ours["kind"], ours["mp_capable"]) == ("synack", False)
    assert first_hop.answer(in_ipv4(answering(0x12, acknowledged=1)), asking(), 4) is None
    assert first_hop.answer(in_ipv4(answering(0x10)), asking(), 4) is None
    assert first_hop.answer(answering(0x12), asking(6), 6) is not None


def test_a_reset_and_mp_capable_are_told_apart() -> None:
    capable = bytes([1, 1, 30, 12, 0x01, 0x81]) + b"k" * 8 + b"\0\0"
    synack = first_hop.answer(answering(0x12, capable), asking(6), 6)
    reset = first_hop.answer(answering(0x14), asking(6), 6)

    assert synack is not None
    assert synack["mp_capable"]
    assert reset is not None
    assert reset["kind"] == "rst"


@pytest.mark.parametrize(
    ("options", "there"),
    [
        (bytes([30, 4, 0x01, 0x01]), True),
        (bytes([30, 12, 0x10, 0x01]) + b"j" * 8, False),  # MP_JOIN
        (bytes([1, 1, 0, 30, 4, 0x01]), False),  # after the end
        (bytes([2, 0, 30, 4, 0x01, 0x01]), False),  # a length that cannot be
        (b"", False),
    ],
)
def test_mp_capable_is_found_where_it_is(options: bytes, there: bool) -> None:  # noqa: FBT001
    assert first_hop.has_mp_capable(options) is there


@given(st.binary(max_size=80))
def test_no_bytes_raise(data: bytes) -> None:
    assert first_hop.has_mp_capable(data) in (True, False)
    assert isinstance(first_hop._offender(data), str)
    for version in (4, 6):
        found = first_hop.answer(data, asking(version), version)
        assert found is None or found["kind"] in ("synack", "rst")


@pytest.mark.parametrize("wrong", [{"port": 65536}, {"hop_limit": -1}, {"isn": 2**32}])
def test_numbers_that_cannot_be_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(RefusalError, match=f"{next(iter(wrong))} "):
        first_hop.require_sane({**asking(), **wrong})  # type: ignore[typeddict-item] # numbers
