"""Bring what is in the outbox to its collector: resumed where it stopped."""

from dataclasses import replace
from typing import Final

from mptcp_upload import collector_limits, receipt, transfer
from mptcp_upload.collector_client import CollectorClient, GoneError, MismatchError, OutOfStepError
from mptcp_upload.errors import (
    NotTakenError,
    ReceiptError,
    RefusedError,
    UnreachableError,
    UploadError,
)
from mptcp_upload.outbox import Entry, Outbox, State
from mptcp_upload.pace import LONGEST_WAIT_S, Pace, backoff_s
from mptcp_upload.transfer import Furthest, Progress, Way

RESTART_COUNT: Final = 5
"""How often in one attempt an upload is begun anew, or its offset asked for again."""

_WITHOUT_TICKET: Final = frozenset({"ticket_invalid", "ticket_too_old", "ticket_of_another_run"})
"""Refusals of a ticket: it lifts a quota and joins captures, and keeps no run from being taken."""
_OF_LIMITS: Final = frozenset(
    {"schema_too_new", "schema_too_old", "too_large", "expands_too_far", "quota_exceeded"}
)


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
    failed, furthest = 0, Furthest(progress)
    while True:
        entry = outbox.keep(replace(entry, attempt_count=entry.attempt_count + 1))
        way = Way(pace=pace, progress=furthest, failed_count=failed)
        try:
            entry, came = _sent(outbox, entry, client, octets, way)
            signed = receipt.verify(
                came or client.receipt(entry.run_id),
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
        except OutOfStepError as e:
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
    except OutOfStepError as e:
        raise UploadError(str(e)) from None
    except RefusedError as e:
        if e.word == "run_unknown":
            e.hint = f"`mptcp-check upload --forget {entry.run_id}` takes it out of the outbox"
        raise
    return outbox.keep(replace(entry, state=State.DELETED, url=""))


def _now(outbox: Outbox, entry: Entry) -> Entry:
    """Return the entry as it is kept: an attempt may have changed it before it failed."""
    return outbox.get(entry.run_id) or entry


def _sent(
    outbox: Outbox, entry: Entry, client: CollectorClient, octets: bytes, way: Way
) -> tuple[Entry, bytes]:
    """Send what the collector has not got yet; the upload's place is kept before any byte goes.

    Returns:
        The entry as it is kept now, and the receipt, if it came with the answer.
    """
    for _ in range(RESTART_COUNT):
        try:
            is_empty = False
            if not entry.location:
                location, is_empty = _begun(entry, client)
                if not location:
                    return entry, b""
                entry = outbox.keep(replace(entry, location=location))
            # where some bytes are there, asking for them also ends what all bytes are there of
            offset = 0 if is_empty else client.offset_bytes(entry.location)
            came = transfer.send_rest(entry, client, octets, offset, way)
        except GoneError:
            entry = outbox.keep(replace(entry, location=""))
        except MismatchError:
            continue
        except RefusedError as e:
            if not entry.ticket or e.word not in _WITHOUT_TICKET:
                raise
            entry = outbox.keep(replace(entry, ticket=""))
        else:
            return entry, came
    raise UnreachableError(f"{client.url} loses the upload again and again")


def _begun(entry: Entry, client: CollectorClient) -> tuple[str, bool]:
    """Begin an upload: no byte goes before the collector has agreed to take all of them."""
    try:
        return client.create(entry)
    except (RefusedError, UnreachableError) as e:
        if e.word in _OF_LIMITS:
            _require_taken(entry, client)
        raise


def _require_taken(entry: Entry, client: CollectorClient) -> None:
    """Ask for the collector's limits, which say by how much a bundle is too many."""
    limits = client.limits()
    collector_limits.require_schema(limits, client.url)
    collector_limits.require_room(
        limits,
        client.url,
        size_bytes=entry.size_bytes,
        expanded_bytes=entry.expanded_bytes,
        with_ticket=bool(entry.ticket),
    )
