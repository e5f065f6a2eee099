"""How an upload spends time: patience, a cap on the rate, and how much a request carries."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

CHUNK_BYTES: Final = 1 << 24
"""The most that a request with a digest of its own carries: what 130 Mbit/s take in a second."""
FIRST_CHUNK_BYTES: Final = 1 << 16
SMALLEST_CHUNK_BYTES: Final = 1 << 12
CHUNK_S: Final = 1.0
"""About how long such a request should take: what is cut off in its middle is sent again."""
SLICE_BYTES: Final = 1 << 16
"""What is handed to the network at a time: it must take that within `CONNECT_TIMEOUT_S`."""
FIRST_WAIT_S: Final = 1.0
LONGEST_WAIT_S: Final = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Time, chance and patience."""

    monotonic_ns: Callable[[], int]
    sleep: Callable[[float], None]
    rng: random.Random
    attempt_count: int = 4
    """Of trying in vain, no byte further, before the run stays in the outbox for another time."""
    rate_bps: int | None = None
    """Cap on what is sent, bits per second; none for no cap."""
    chunk_bytes: int = CHUNK_BYTES
    at_once: bool = True
    """Whether one request may carry all that is left, as long as the way takes that."""

    def first_chunk_bytes(self, failed_count: int = 0) -> int:
        """Return how much goes with the first chunk, while nobody knows how fast the way is.

        Args:
            failed_count: Of attempts in vain before: a way may carry half as much, and that again.
        """
        first = max(SMALLEST_CHUNK_BYTES, FIRST_CHUNK_BYTES >> failed_count)
        return min(first, self.most_chunk_bytes)

    @property
    def most_chunk_bytes(self) -> int:
        """How much one chunk may have: a cap is kept by pauses, and none ends a burst of seconds.

        What is handed over at a time keeps to that as well.
        """
        if self.rate_bps is None:
            return self.chunk_bytes
        fair = max(SMALLEST_CHUNK_BYTES, int(self.rate_bps / 8 * CHUNK_S))
        return min(self.chunk_bytes, fair)

    def next_chunk_bytes(self, sent_bytes: int, spent_s: float) -> int:
        """Return how much goes with the next chunk: twice as much as long as it was quick.

        Args:
            sent_bytes: What the last one carried.
            spent_s: What it took.
        """
        quick = spent_s < CHUNK_S / 2
        slow = spent_s > 2 * CHUNK_S
        wanted = sent_bytes * 2 if quick else sent_bytes // 2 if slow else sent_bytes
        return min(self.most_chunk_bytes, max(SMALLEST_CHUNK_BYTES, wanted))


def backoff_s(attempt: int, rng: random.Random) -> float:
    """Return how long to wait before an attempt: doubled each time, half of it by chance.

    Args:
        attempt: 1 before the second attempt.
        rng: The chance, so that many clients do not come back at once.
    """
    longest: float = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** (attempt - 1))
    return longest / 2 + rng.uniform(0, longest / 2)
