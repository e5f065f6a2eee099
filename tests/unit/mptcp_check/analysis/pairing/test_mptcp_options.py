import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mptcp_check.analysis.capture.packets import Subtype
from mptcp_check.analysis.pairing.halves import half
from mptcp_check.analysis.pairing.mptcp_options import (
    carriers,
    carries,
    option_bytes,
    options_of,
    padding_bytes,
)
from mptcp_check.model import Side
from traces import HANDSHAKE, Path, captures

MPC = bytes([30, 4, 1, 1])


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (b"", (0, 0)),
        (MPC, (0, 0)),
        (b"\x01\x01" + MPC, (2, 0)),
        (b"\x02\x04\x05\xb4" + b"\x01" * 4, (4, 0)),
        (b"\x02\x04\x05\xb4" + b"\x00" * 4, (0, 4)),
        (b"\x02\x04\x05\xb4\x00\x01\x01\x01", (0, 4)),
        (b"\x01\x1e\x00", (1, 0)),
        (b"\x01\x1e", (1, 0)),
    ],
)
def test_what_fills_an_option_list_is_counted(options: bytes, expected: tuple[int, int]) -> None:
    assert padding_bytes(options) == expected


@given(st.binary(max_size=60))
def test_any_bytes_are_counted_without_an_end(options: bytes) -> None:
    nops, ended = padding_bytes(options)

    assert 0 <= nops + ended <= len(options)


def test_carriers_are_those_with_the_option() -> None:
    client, _ = captures(HANDSHAKE + "0.041 > PSH data=100 dss")
    rows = np.arange(4)
    client_half = half(client, Side.CLIENT, rows, None)

    assert carriers(client_half, rows, Subtype.MP_CAPABLE).tolist() == [0, 1, 2]
    assert carriers(client_half, rows, Subtype.MP_JOIN).tolist() == []
    assert carriers(client_half, rows[:0], Subtype.MP_CAPABLE).tolist() == []
    assert option_bytes(client, 0).endswith(MPC)


@pytest.mark.parametrize(("snap_bytes", "known"), [(14 + 20 + 20 + 8, None), (200, True)])
def test_options_that_were_cut_off_are_not_absent(snap_bytes: int, known: object) -> None:
    client, _ = captures(HANDSHAKE, Path(snap_bytes=snap_bytes))

    assert carries(half(client, Side.CLIENT, np.arange(3), None), 0, Subtype.MP_CAPABLE) is known


@given(
    st.lists(st.integers(0, 30)).map(sorted),
    st.sets(st.integers(0, 30)).map(sorted),
)
def test_looking_options_up_is_the_same_as_searching_for_them(
    owners: list[int], rows: list[int]
) -> None:
    found = options_of(np.array(owners, dtype=np.int64), np.array(rows, dtype=np.int64))

    assert sorted(found.tolist()) == [i for i, owner in enumerate(owners) if owner in rows]
