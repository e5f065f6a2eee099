from hypothesis import given
from hypothesis import strategies as st

from mptcp_check.machines.guest_clock import RoundTrip, offset

TIMES_NS = st.integers(0, 2 * 10**18)
DELAYS_NS = st.integers(0, 10**9)


@given(
    st.lists(st.tuples(TIMES_NS, DELAYS_NS, DELAYS_NS), min_size=1), st.integers(-(10**12), 10**12)
)
def test_the_true_offset_is_within_the_uncertainty(
    trips: list[tuple[int, int, int]], ahead_ns: int
) -> None:
    measured = offset(
        [
            RoundTrip(asked_ns=t, said_ns=t + there + ahead_ns, answered_ns=t + there + back)
            for t, there, back in trips
        ]
    )

    assert abs(measured.offset_ns - ahead_ns) <= measured.uncertainty_ns
    assert measured.uncertainty_ns == min((there + back + 1) // 2 for _, there, back in trips)


def test_the_quickest_round_trip_counts() -> None:
    slow = RoundTrip(asked_ns=0, answered_ns=10_000, said_ns=9_900)
    quick = RoundTrip(asked_ns=20_000, answered_ns=20_100, said_ns=20_057)

    assert offset([slow, quick]).offset_ns == 7
