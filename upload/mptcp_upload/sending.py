"""Bring what is in the outbox to its collector: resumed where it stopped."""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Protocol

from mptcp_upload import collector_limits, receipt
from mptcp_upload.collector_client import CollectorClient, GoneError, MismatchError
from mptcp_upload.errors import (
    NotTakenError,
    ReceiptError,
    RefusedError,
    UnreachableError,
    UploadError,
)
from mptcp_upload.outbox import Entry, Outbox, State

CHUNK_BYTES: Final = 1 << 24
"""The most that one request carries: what 130 Mbit/s take in a second."""
FIRST_CHUNK_BYTES: Final = 1 << 16
SMALLEST_CHUNK_BYTES: Final = 1 << 12
CHUNK_S: Final = 1.0
"""About how long a request should take: what is cut off in the middle of one is sent again."""
FIRST_WAIT_S: Final = 1.0
LONGEST_WAIT_S: Final = 300.0
RESTART_COUNT: Final = 5
"""How often in one attempt an upload is begun anew, or its offset asked for again."""

_WITHOUT_TICKET: Final = frozenset({"ticket_invalid", "ticket_too_old", "ticket_of_another_run"})
"""Refusals of a ticket: it lifts a quota and joins captures, and keeps no run from being taken."""


class Progress(Protocol):
    """Is told how far a run is."""

    def sent(self, entry: Entry, offset_bytes: int, eta_s: float | None) -> None:
        """So many of the bundle's bytes are there; the rest takes about so long."""

    def waits(self, entry: Entry, wait_s: float, reason: str) -> None:
        """The next attempt is in so many seconds."""


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

    def first_chunk_bytes(self, failed_count: int = 0) -> int:
        """Return how much goes with the first request, while nobody knows how fast the way is.

        Args:
            failed_count: Of attempts in vain before: a way may carry half as much, and that again.
        """
        first = max(SMALLEST_CHUNK_BYTES, FIRST_CHUNK_BYTES >> failed_count)
        return min(first, self._most_bytes)

    @property
    def _most_bytes(self) -> int:
        if self.rate_bps is None:
            return self.chunk_bytes
        # a cap is kept by pauses between requests: none of these may be a burst of seconds
        fair = max(SMALLEST_CHUNK_BYTES, int(self.rate_bps / 8 * CHUNK_S))
        return min(self.chunk_bytes, fair)

    def next_chunk_bytes(self, sent_bytes: int, spent_s: float) -> int:
        """Return how much goes with the next request: twice as much as long as it was quick.

        Args:
            sent_bytes: What the last one carried.
            spent_s: What it took.
        """
        quick = spent_s < CHUNK_S / 2
        slow = spent_s > 2 * CHUNK_S
        wanted = sent_bytes * 2 if quick else sent_bytes // 2 if slow else sent_bytes
        return min(self._most_bytes, max(SMALLEST_CHUNK_BYTES, wanted))


class _Furthest:
    """Passes progress on, and knows whether an attempt came further than all before it."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._furthest_bytes = 0
        self._moved = False

    def sent(self, entry: Entry, offset_bytes: int, eta_s: float | None) -> None:
        self._moved |= offset_bytes > self._furthest_bytes
        self._furthest_bytes = max(self._furthest_bytes, offset_bytes)
        self._progress.sent(entry, offset_bytes, eta_s)

    def waits(self, entry: Entry, wait_s: float, reason: str) -> None:
        self._progress.waits(entry, wait_s, reason)

    def has_moved(self) -> bool:
        """Say whether there was something since the last question."""
        moved, self._moved = self._moved, False
        return moved


def backoff_s(attempt: int, rng: random.Random) -> float:
    """Return how long to wait before an attempt: doubled each time, half of it by chance.

    Args:
        attempt: 1 before the second attempt.
        rng: The chance, so that many clients do not come back at once.
    """
    longest: float = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** (attempt - 1))
    return longest / 2 + rng.uniform(0, longest / 2)


def deliver(
    outbox: Outbox, entry: Entry, client: CollectorClient, pace: Pace, progress: Progress
) -> Entry:
    """Send one run until there is a verified receipt, it is refused, or patience ends.

    Returns:
        The entry as it is kept now; a network that fails is a state, not an exception.

    Raises:
        UploadError: The bundle on the disk is damaged.
        OSError: The outbox cannot be written.
    """
    key = receipt.public_key(entry.collector_key)
    octets = outbox.bundle(entry)
    failed, furthest = 0, _Furthest(progress)
    while True:
        entry = outbox.keep(replace(entry, attempt_count=entry.attempt_count + 1))
        way = _Way(pace=pace, progress=furthest, first_bytes=pace.first_chunk_bytes(failed))
        try:
            entry = _sent(outbox, entry, client, octets, way)
            signed = receipt.verify(
                client.receipt(entry.run_id),
                key,
                run_id=entry.run_id,
                bundle_sha256=entry.bundle_sha256,
                size_bytes=entry.size_bytes,
            )
            return outbox.received(entry, signed.octets, signed.url)
        except RefusedError as e:
            refused = replace(_now(outbox, entry), state=State.REFUSED, location="", hint=e.hint)
            return outbox.keep(replace(refused, reason=f"{e.word}: {e.message}"))
        except (ReceiptError, NotTakenError) as e:
            # not refused: limits change, an operator may have to mend a receipt
            return outbox.keep(replace(_now(outbox, entry), reason=e.message, hint=e.hint))
        except (GoneError, MismatchError) as e:
            wait_s, reason = None, str(e)
            entry = outbox.keep(replace(_now(outbox, entry), location="", reason=reason, hint=""))
        except UnreachableError as e:
            wait_s, reason = e.after_s, e.message
            if (wait_s or 0) > LONGEST_WAIT_S:
                reason += f"; it asks to wait {(wait_s or 0) / 60:.0f} minutes"
            entry = outbox.keep(replace(_now(outbox, entry), reason=reason, hint=e.hint))
            if not e.soon:
                return entry
        failed = 1 if furthest.has_moved() else failed + 1
        if failed >= pace.attempt_count or (wait_s or 0) > LONGEST_WAIT_S:
            return entry
        pause_s = max(backoff_s(failed, pace.rng), wait_s or 0)
        progress.waits(entry, pause_s, reason)
        pace.sleep(pause_s)


def delete(outbox: Outbox, entry: Entry, client: CollectorClient) -> Entry:
    """Delete a run at its collector.

    Raises:
        UploadError: It was not deleted.
    """
    try:
        client.delete(entry.run_id, entry.deletion_token)
    except (GoneError, MismatchError) as e:
        raise UploadError(str(e)) from None
    except RefusedError as e:
        if e.word == "run_unknown":
            e.hint = f"`mptcp-check upload --forget {entry.run_id}` takes it out of the outbox"
        raise
    return outbox.keep(replace(entry, state=State.DELETED, url=""))


def _now(outbox: Outbox, entry: Entry) -> Entry:
    """Return the entry as it is kept: an attempt may have changed it before it failed."""
    return outbox.get(entry.run_id) or entry


@dataclass(frozen=True, slots=True, kw_only=True)
class _Way:
    """How one attempt sends."""

    pace: Pace
    progress: Progress
    first_bytes: int
    """Of the first request."""


def _sent(outbox: Outbox, entry: Entry, client: CollectorClient, octets: bytes, way: _Way) -> Entry:
    """Send what the collector has not got yet; the upload's place is kept before any byte goes."""
    for _ in range(RESTART_COUNT):
        try:
            is_empty = False
            if not entry.location:
                _require_taken(entry, client)
                location, is_empty = client.create(entry)
                if not location:
                    return entry
                entry = outbox.keep(replace(entry, location=location))
            # where some bytes are there, asking for them also ends what all bytes are there of
            offset = 0 if is_empty else client.offset_bytes(entry.location)
            _send_rest(entry, client, octets, offset, way)
        except GoneError:
            entry = outbox.keep(replace(entry, location=""))
        except MismatchError:
            continue
        except RefusedError as e:
            if not entry.ticket or e.word not in _WITHOUT_TICKET:
                raise
            entry = outbox.keep(replace(entry, ticket=""))
        else:
            return entry
    raise UnreachableError(f"{client.url} loses the upload again and again")


def _require_taken(entry: Entry, client: CollectorClient) -> None:
    """Ask for the collector's limits before anything else: a bundle too many costs nobody time."""
    limits = client.limits()
    collector_limits.require_schema(limits, client.url)
    collector_limits.require_room(
        limits,
        client.url,
        size_bytes=entry.size_bytes,
        expanded_bytes=entry.expanded_bytes,
        with_ticket=bool(entry.ticket),
    )


def _send_rest(
    entry: Entry, client: CollectorClient, octets: bytes, offset: int, way: _Way
) -> None:
    pace, first = way.pace, offset
    began_ns = pace.monotonic_ns()
    chunk_bytes = way.first_bytes
    while offset < len(octets):
        chunk = octets[offset : offset + chunk_bytes]
        sent_ns = pace.monotonic_ns()
        there = client.send(entry.location, offset, chunk)
        if not offset < there <= offset + len(chunk):
            raise UnreachableError(f"{client.url} counts other bytes than were sent")
        chunk_bytes = pace.next_chunk_bytes(len(chunk), (pace.monotonic_ns() - sent_ns) / 1e9)
        offset = there
        spent_s = (pace.monotonic_ns() - began_ns) / 1e9
        if pace.rate_bps is not None and offset < len(octets):
            ahead_s = (offset - first) * 8 / pace.rate_bps - spent_s
            if ahead_s > 0:
                pace.sleep(ahead_s)
                spent_s += ahead_s
        left = len(octets) - offset
        way.progress.sent(entry, offset, left * spent_s / (offset - first))
