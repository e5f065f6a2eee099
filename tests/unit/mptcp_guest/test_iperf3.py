from hypothesis import given
from hypothesis import strategies as st

from mptcp_guest.clients.iperf3 import BLOCK_BYTES_MAX, arrived_bytes, blocks

NUMBERS = st.one_of(st.integers(), st.floats(), st.text(max_size=5), st.none())
DOCUMENTS = st.recursive(
    NUMBERS,
    lambda inner: st.dictionaries(
        st.sampled_from(["end", "sum_sent", "sum_received", "bytes"]), inner
    ),
    max_leaves=8,
)


@given(DOCUMENTS, st.integers(0, 10**9))
def test_no_document_says_more_than_was_wanted(said: object, wanted: int) -> None:
    assert 0 <= arrived_bytes(said, wanted) <= wanted


@given(st.integers(1, 10**9))
def test_blocks_are_enough_and_none_too_many(wanted: int) -> None:
    count, size = blocks(wanted)
    assert 0 < size <= BLOCK_BYTES_MAX
    assert wanted <= count * size < wanted + size


@given(st.integers(1, 10**7), st.integers(-3, 3))
def test_all_came_only_when_both_ends_count_every_block(wanted: int, off: int) -> None:
    count, size = blocks(wanted)
    sent, received = count * size, count * size + off
    said = {"end": {"sum_sent": {"bytes": sent}, "sum_received": {"bytes": received}}}
    assert (arrived_bytes(said, wanted) == wanted) == (off == 0)
