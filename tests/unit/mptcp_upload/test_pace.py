import random
from typing import Any

from mptcp_upload import pace
from mptcp_upload.pace import Pace, backoff_s


def chance() -> random.Random:
    return random.Random(1)  # noqa: S311 - the same each time


def made(**wishes: Any) -> Pace:  # noqa: ANN401 - any field
    return Pace(monotonic_ns=lambda: 0, sleep=lambda _: None, rng=chance(), **wishes)


def test_a_chunk_carries_what_the_way_takes_in_a_second() -> None:
    at_will = made()

    assert at_will.first_chunk_bytes() == pace.FIRST_CHUNK_BYTES
    assert at_will.next_chunk_bytes(65536, 0.1) == 131072
    assert at_will.next_chunk_bytes(65536, 1.0) == 65536
    assert at_will.next_chunk_bytes(65536, 5.0) == 32768
    assert at_will.next_chunk_bytes(4096, 60.0) == pace.SMALLEST_CHUNK_BYTES
    assert at_will.next_chunk_bytes(pace.CHUNK_BYTES, 0.1) == pace.CHUNK_BYTES
    capped = made(rate_bps=800_000)
    assert capped.next_chunk_bytes(65536, 0.1) == 100_000, "a second's share, and no more"


def test_a_way_that_breaks_in_every_request_gets_smaller_ones() -> None:
    sizes = [made().first_chunk_bytes(failed) for failed in range(6)]

    assert sizes == [65536, 32768, 16384, 8192, 4096, 4096]
    assert made(chunk_bytes=500).first_chunk_bytes(3) == 500


def test_backoff_doubles_with_a_half_by_chance_and_has_a_cap() -> None:
    rng = chance()

    for attempt in range(1, 20):
        longest = min(pace.LONGEST_WAIT_S, 2.0 ** (attempt - 1))
        assert longest / 2 <= backoff_s(attempt, rng) <= longest
