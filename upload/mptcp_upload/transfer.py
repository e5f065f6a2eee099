"""The bytes of one attempt: all that is left in one request, or in chunks where that failed.

One request is what costs both sides least: the collector hashes and writes what comes while it
comes, and keeps what came before an interruption, so that nothing of it is sent again.  Chunks have
digests of their own and are small at first: they get through proxies that want whole requests
within seconds or do not take long ones, and find out which of them somebody changes on the way.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Protocol

from mptcp_upload.collector_client import CollectorClient
from mptcp_upload.errors import RefusedError, UnreachableError
from mptcp_upload.outbox import Entry
from mptcp_upload.pace import SLICE_BYTES, SMALLEST_CHUNK_BYTES, Pace

LIMIT_OF_A_PROXY: Final = "status_413"
"""A collector that takes no more says `too_large`; this is somebody's in between, for requests."""


class Progress(Protocol):
    """Is told how far a run is."""

    def sent(self, entry: Entry, offset_bytes: int, eta_s: float | None) -> None:
        """So many of the bundle's bytes are there or on the way; the rest takes about so long."""

    def waits(self, entry: Entry, wait_s: float, reason: str) -> None:
        """The next attempt is in so many seconds."""


class Furthest:
    """Passes progress on, and knows whether an attempt came further than all before it."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._furthest_bytes = 0
        self.moved = False
        """Whether there was something since `has_moved` was asked."""
        self.tried_at_once = False
        """Whether an attempt began to send all that was left."""

    def there(self, entry: Entry, offset_bytes: int, eta_s: float | None) -> None:
        """So many bytes are there, the collector says."""
        self.moved |= offset_bytes > self._furthest_bytes
        self._furthest_bytes = max(self._furthest_bytes, offset_bytes)
        self._progress.sent(entry, offset_bytes, eta_s)

    def under_way(self, entry: Entry, offset_bytes: int, eta_s: float | None) -> None:
        """So many bytes have left; how many of them came, nobody knows."""
        self._progress.sent(entry, offset_bytes, eta_s)

    def waits(self, entry: Entry, wait_s: float, reason: str) -> None:
        """See `Progress`."""
        self._progress.waits(entry, wait_s, reason)

    def has_moved(self) -> bool:
        """Say whether there was something since the last question."""
        moved, self.moved = self.moved, False
        return moved


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How one attempt sends."""

    pace: Pace
    progress: Furthest
    failed_count: int
    """Of attempts in vain before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Course:
    """How fast the bytes of an attempt leave."""

    pace: Pace
    first_bytes: int
    size_bytes: int
    began_ns: int

    def keep_to_rate(self, offset_bytes: int) -> float:
        """Wait as long as the rate's cap asks for; return how many seconds the rest takes."""
        spent_s = (self.pace.monotonic_ns() - self.began_ns) / 1e9
        sent_bytes, left_bytes = offset_bytes - self.first_bytes, self.size_bytes - offset_bytes
        if self.pace.rate_bps is not None and left_bytes:
            ahead_s = sent_bytes * 8 / self.pace.rate_bps - spent_s
            if ahead_s > 0:
                self.pace.sleep(ahead_s)
                spent_s += ahead_s
        return left_bytes * spent_s / sent_bytes


def send_rest(
    entry: Entry, client: CollectorClient, octets: bytes, offset_bytes: int, way: Way
) -> bytes:
    """Send what the collector has not got yet.

    The first attempt sends all in one request, and so does one after another that got further: then
    the way breaks, but it carries.

    Returns:
        The receipt, if it came with the answer to the last byte; it is not verified here.

    Raises:
        GoneError: The collector does not know the upload any more.
        MismatchError: It has another number of bytes.
        AlteredError: It has all of them, and they are not the bundle's.
        UploadError: It refuses, or there was no answer.
    """
    if offset_bytes:
        way.progress.there(entry, offset_bytes, None)
    if offset_bytes == len(octets):
        return b""
    course = _Course(
        pace=way.pace,
        first_bytes=offset_bytes,
        size_bytes=len(octets),
        began_ns=way.pace.monotonic_ns(),
    )
    if way.pace.at_once and (way.progress.moved or not way.progress.tried_at_once):
        way.progress.tried_at_once = True
        try:
            return _at_once(entry, client, octets, course, way.progress)
        except RefusedError as e:
            if e.word != LIMIT_OF_A_PROXY:
                raise
    return _in_chunks(entry, client, octets, course, way)


class _Slices:
    """What is left of a bundle, as a request's body that tells how far it is."""

    def __init__(
        self, octets: bytes, first_bytes: int, slice_bytes: int, left: Callable[[int], None]
    ) -> None:
        self._octets = octets
        self._first_bytes = first_bytes
        self._slice_bytes = slice_bytes
        self._left = left

    def __len__(self) -> int:
        return len(self._octets) - self._first_bytes

    def __iter__(self) -> Iterator[bytes]:
        for offset in range(self._first_bytes, len(self._octets), self._slice_bytes):
            if offset > self._first_bytes:
                self._left(offset)
            yield self._octets[offset : offset + self._slice_bytes]


def _at_once(
    entry: Entry, client: CollectorClient, octets: bytes, course: _Course, progress: Furthest
) -> bytes:
    def left(offset_bytes: int) -> None:
        progress.under_way(entry, offset_bytes, course.keep_to_rate(offset_bytes))

    slice_bytes = min(SLICE_BYTES, course.pace.most_chunk_bytes)
    body = _Slices(octets, course.first_bytes, slice_bytes, left)
    sent = client.send_rest(entry.location, course.first_bytes, body)
    if sent.offset_bytes != len(octets):
        raise UnreachableError(f"{client.url} counts other bytes than were sent")
    progress.there(entry, sent.offset_bytes, 0.0)
    return sent.receipt


def _in_chunks(
    entry: Entry, client: CollectorClient, octets: bytes, course: _Course, way: Way
) -> bytes:
    pace, offset, receipt = way.pace, course.first_bytes, b""
    chunk_bytes = pace.first_chunk_bytes(way.failed_count)
    most_bytes = pace.most_chunk_bytes
    while offset < len(octets):
        chunk = octets[offset : offset + chunk_bytes]
        sent_ns = pace.monotonic_ns()
        try:
            sent = client.send(entry.location, offset, chunk)
        except RefusedError as e:
            if e.word != LIMIT_OF_A_PROXY or len(chunk) <= SMALLEST_CHUNK_BYTES:
                raise
            chunk_bytes = most_bytes = max(SMALLEST_CHUNK_BYTES, len(chunk) // 2)
            continue
        if not offset < sent.offset_bytes <= offset + len(chunk):
            raise UnreachableError(f"{client.url} counts other bytes than were sent")
        spent_s = (pace.monotonic_ns() - sent_ns) / 1e9
        chunk_bytes = min(most_bytes, pace.next_chunk_bytes(len(chunk), spent_s))
        offset, receipt = sent.offset_bytes, sent.receipt
        eta_s = course.keep_to_rate(offset)
        way.progress.there(entry, offset, eta_s)
    return receipt
