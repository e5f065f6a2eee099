from hypothesis import example, given
from hypothesis import strategies as st

from mptcp_check.middleboxes.checksum import ones_sum, updated
from wire_frames import words_sum

WORDS = st.binary(min_size=2, max_size=60).map(lambda data: data[: len(data) // 2 * 2])


def test_the_example_of_rfc_1624() -> None:
    # Section 4: HC = 0xDD2F, m = 0x5555, m' = 0x3285 gives 0x0000, where RFC 1141 got 0xFFFF.
    assert updated(0xDD2F, 0x5555, 0x3285) == 0


@given(st.binary(max_size=3000))
@example(b"")
@example(b"\xff\xff")
def test_the_sum_is_the_textbooks_up_to_its_two_zeros(data: bytes) -> None:
    assert ones_sum(data) == words_sum(data) % 0xFFFF


@given(WORDS, WORDS, st.binary(min_size=1, max_size=40).map(lambda d: d + b"\x01" * (len(d) % 2)))
def test_an_update_equals_a_full_computation(old: bytes, new: bytes, rest: bytes) -> None:
    rest = rest if any(rest) else b"\x12\x34"  # all zero has no canonical checksum
    checksum = 0xFFFF - words_sum(rest + old)

    assert updated(checksum, ones_sum(old), ones_sum(new)) == 0xFFFF - words_sum(rest + new)
