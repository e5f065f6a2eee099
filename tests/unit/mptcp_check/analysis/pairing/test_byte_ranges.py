import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mptcp_check.analysis.pairing.byte_ranges import ByteRanges

STREAMS = 3
Ranges = st.lists(
    st.tuples(st.integers(0, STREAMS - 1), st.integers(-50, 50), st.integers(1, 30)), max_size=20
)


@given(Ranges, Ranges)
def test_covered_bytes_are_those_of_a_set(
    known: list[tuple[int, int, int]], asked: list[tuple[int, int, int]]
) -> None:
    streams, starts, lengths = np.array([*known, (0, 0, 0)], dtype=np.int64)[:-1].T
    ranges = ByteRanges(STREAMS, streams, starts, starts + lengths)
    covered = {(s, place) for s, start, count in known for place in range(start, start + count)}

    of, low, count = np.array([*asked, (0, 0, 0)], dtype=np.int64).T
    found = ranges.covered_bytes(of, low, low + count)

    assert found.tolist() == [
        sum((s, place) in covered for place in range(start, start + length))
        for s, start, length in [*asked, (0, 0, 0)]
    ]
