import pytest
from hypothesis import given
from hypothesis import strategies as st

from mptcp_check.middleboxes.options_edit import Removal, carries, mptcp, removed, walk
from wire_frames import DSS, MP_CAPABLE_SYN, MP_JOIN_SYN, MSS, OPTIONS, TIMESTAMPS, padded

MATCHES_ALL = mptcp()
RAW_OPTIONS = st.binary(max_size=40).map(lambda raw: raw[: len(raw) // 4 * 4])


def test_overwriting_keeps_every_other_byte_in_its_place() -> None:
    options = MSS + MP_CAPABLE_SYN + TIMESTAMPS + b"\x01\x01"

    assert removed(options, mptcp(0), Removal.NOP) == MSS + b"\1\1\1\1" + TIMESTAMPS + b"\x01\x01"


def test_deleting_closes_the_gap_and_pads_with_end_of_options() -> None:
    options = b"\x01\x01" + TIMESTAMPS + DSS

    assert removed(options, mptcp(2), Removal.DELETE) == b"\x01\x01" + TIMESTAMPS
    assert removed(padded(MSS + b"\x03\x03\x07" + MP_JOIN_SYN), MATCHES_ALL, Removal.DELETE) == (
        MSS + b"\x03\x03\x07" + b"\x01"
    )


@pytest.mark.parametrize(
    ("options", "found"),
    [
        pytest.param(b"", [], id="none"),
        pytest.param(b"\x00" + MP_CAPABLE_SYN[:3], [], id="behind the end of options"),
        pytest.param(b"\x1e\x01\x00\x00", [], id="length 1 is impossible"),
        pytest.param(b"\x01\x01\x01\x1e", [], id="no room for a length"),
        pytest.param(b"\x1e\x08\x00\x00", [], id="longer than what is there"),
        pytest.param(b"\x01\x1e\x03\x00", [(1, 3)], id="after a no-operation"),
        pytest.param(b"\x1e\x02\x01\x01", [(0, 2)], id="too short for a subtype"),
    ],
)
def test_walking_stops_where_options_end(options: bytes, found: list[tuple[int, int]]) -> None:
    assert list(walk(options)) == found


def test_a_subtype_is_told_from_others_of_the_kind() -> None:
    assert carries(MP_JOIN_SYN, mptcp(1))
    assert not carries(MP_JOIN_SYN, mptcp(0))
    assert not carries(b"\x1e\x02\x01\x01", mptcp(0))
    assert carries(b"\x1e\x02\x01\x01", mptcp())


def test_what_has_no_match_comes_back_as_the_same_object() -> None:
    options = MSS + TIMESTAMPS + b"\x01\x01"

    assert removed(options, MATCHES_ALL, Removal.DELETE) is options


@given(RAW_OPTIONS, st.sampled_from(Removal))
def test_any_bytes_can_be_edited_and_still_fit_a_header(raw: bytes, removal: Removal) -> None:
    after = removed(raw, MATCHES_ALL, removal)

    assert len(after) % 4 == 0
    assert len(after) <= len(raw)
    assert not carries(after, MATCHES_ALL) or removal is Removal.DELETE
    if removal is Removal.NOP:
        assert len(after) == len(raw)


@given(OPTIONS, st.sampled_from(Removal))
def test_well_formed_options_keep_all_others_in_order(options: bytes, removal: Removal) -> None:
    options = padded(options)
    wanted = [options[a : a + n] for a, n in walk(options) if options[a] != 30]

    after = removed(options, MATCHES_ALL, removal)

    assert [after[a : a + n] for a, n in walk(after)] == wanted
