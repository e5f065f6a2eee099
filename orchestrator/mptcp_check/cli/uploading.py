"""Runs into the outbox and out of it, with a line for people about each."""

import random
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Final, Self

import click

from mptcp_check import clock
from mptcp_check.cli import consent_question, upload_places
from mptcp_check.cli.upload_places import Collector
from mptcp_check.cli.upload_progress import Lines
from mptcp_check.run_directory import StoredRun
from mptcp_upload import consent as consents
from mptcp_upload import outbox as outboxes
from mptcp_upload import preparing, sending
from mptcp_upload.collector_client import CollectorClient
from mptcp_upload.consent import Consent, Purpose, size_text
from mptcp_upload.errors import ConsentError, UploadError
from mptcp_upload.outbox import Entry, Outbox, State
from mptcp_upload.pace import Pace
from mptcp_upload.preparing import Prepared

_LONG_BYTES: Final = 50_000_000
"""More than that is prepared for so long that somebody may think that it hangs."""
_OF_ORIGINALS: Final = ("hmac_ok", "hmac_bad", "dss_checksum_ok", "dss_checksum_bad")


def consent(file: Path | None, runs: Iterable[StoredRun], *, to: Collector, again: bool) -> Consent:
    """Return the answer that was given, or ask for it where somebody can answer.

    Args:
        file: An answer for where nobody can be asked; none for the one that is kept.
        runs: What would leave.
        to: Who would get it.
        again: Ask also who said no before, because an upload is what was asked for.

    Raises:
        ConsentError: There is no answer, or it is "no" and `again`.
        KeyboardInterrupt: The question was left.
    """
    try:
        given = consents.read(file or upload_places.consent())
        if again:
            given.require(Purpose.VERDICT)
    except ConsentError:
        if file is not None or not consent_question.can_ask():
            raise
    else:
        return given
    given = consent_question.ask(consent_question.sizes(runs), collector=to.url)
    if again:
        given.require(Purpose.VERDICT)
    return given


def put(run: StoredRun, to: Collector, agreed: Consent, *, anew: bool = False) -> Entry:
    """Put a run into the outbox; one that is there already for this collector stays as it is.

    Args:
        run: A whole run.
        to: Its collector.
        agreed: What of it may leave.
        anew: Make another bundle in place of one that has no receipt.

    Raises:
        UploadError: It cannot be made safe, is damaged, or there for another collector.
        OSError: It cannot be written.
    """
    box = upload_places.outbox()
    there = box.get(run.run_id)
    if there is not None:
        if there.collector != to.url:
            raise UploadError(
                f"run {run.run_id} is in the outbox for {there.collector} ({there.state})",
                hint=f"`mptcp-check upload --forget {run.run_id}` takes it out there",
            )
        if not anew or there.state not in (State.PENDING, State.REFUSED):
            return there
        box.forget(run.run_id)
    prepared, key = prepare(run, agreed), upload_places.anonymisation_key()
    entry = Entry(
        run_id=prepared.run_id,
        bundle_sha256=prepared.sha256,
        size_bytes=len(prepared.octets),
        collector=to.url,
        collector_key=to.key,
        deletion_token=outboxes.deletion_token(key, prepared.run_id, prepared.sha256),
        expanded_bytes=prepared.expanded_bytes,
        ticket=prepared.ticket,
    )
    return box.put(entry, prepared.octets)


def prepare(run: StoredRun, agreed: Consent) -> Prepared:
    """Make what leaves of a run, and say that it takes a while.

    Raises:
        UploadError: It cannot be made safe, or is damaged or too large.
    """
    size_bytes = preparing.require_room(run.directory, run.manifest["members"], agreed)
    patience = "; this takes some minutes" if size_bytes > _LONG_BYTES else ""
    click.echo(
        f"==> Preparing {run.run_id}, {size_text(size_bytes)}: replacing addresses and names"
        f"{patience}",
        err=True,
    )
    return preparing.prepare(
        run.directory,
        key=upload_places.anonymisation_key(),
        names=upload_places.names(),
        consent=agreed,
        facts=_facts(run),
    )


def say_not_put(run_id: str, error: UploadError) -> None:
    """Say why a run did not even get into the outbox, and what to do about it."""
    hint = f"\n  next step: {error.hint.replace('RUN', run_id)}" if error.hint else ""
    click.echo(f"mptcp-check: {run_id} is not uploaded: {error.message}{hint}", err=True)


def _facts(run: StoredRun) -> dict[str, object]:
    """Return what can be found out on the original packets only: digests cover addresses."""
    from mptcp_check import inspecting  # noqa: PLC0415 - slow, and `run` has no need of it to start

    captures = {}
    for path in sorted((run.directory / "captures").glob("*.pcapng")):
        totals = inspecting.inspect_file(path).inspection.totals
        captures[path.stem] = {name: getattr(totals, name) for name in _OF_ORIGINALS}
    return {"captures": captures}


def drain(
    wanted: Iterable[str], *, rate_mbps: float | None = None, attempt_count: int = 4
) -> list[Entry]:
    """Send what waits of some runs, in this order, and say of each how it stands.

    A collector that does not answer for one run is not asked for the next ones.

    Args:
        wanted: Identifiers of runs.
        rate_mbps: Cap on what is sent, megabits per second.
        attempt_count: Of connecting in vain, for each run.

    Returns:
        The entries of these runs as they are now.

    Raises:
        UploadError: Somebody else is sending from this outbox.
        OSError: The outbox cannot be written.
    """
    box = upload_places.outbox()
    pace = Pace(
        monotonic_ns=clock.monotonic_ns,
        sleep=time.sleep,
        rng=random.SystemRandom(),
        attempt_count=attempt_count,
        rate_bps=None if rate_mbps is None else int(rate_mbps * 1e6),
    )
    entries, clients = [], Clients()
    with box.alone() as mine, clients:
        if not mine:
            raise UploadError(
                "another mptcp-check is sending from this outbox", hint="wait for it to end"
            )
        for run_id in wanted:
            entry = box.get(run_id)
            if entry is not None and entry.state is State.PENDING:
                entry = _delivered(box, entry, clients, pace)
                say(entry)
            entries += [] if entry is None else [entry]
    return entries


class Clients:
    """One connection for each collector; use it as a context."""

    def __init__(self) -> None:
        self._open: dict[str, CollectorClient] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for client in self._open.values():
            client.close()

    def of(self, url: str) -> CollectorClient:
        """Return the connection to a collector.

        Raises:
            UploadError: The URL is none.
        """
        if url not in self._open:
            self._open[url] = CollectorClient(url)
        return self._open[url]


def _delivered(box: Outbox, entry: Entry, clients: Clients, pace: Pace) -> Entry:
    lines = Lines()
    try:
        client = clients.of(entry.collector)
        if client.away:
            return box.keep(replace(entry, reason=client.away, hint=""))
        return sending.deliver(box, entry, client, pace, lines)
    except UploadError as e:  # of this run alone: the next one may be whole
        return box.keep(replace(entry, reason=e.message, hint=e.hint))
    finally:
        lines.end()


def say(entry: Entry) -> None:
    """Say how a run stands, and what to do about it."""
    if entry.state is State.RECEIVED:
        click.echo(f"{entry.run_id} is received: {entry.url}", err=True)
        return
    if entry.state is State.DELETED:
        click.echo(f"{entry.run_id} was received by {entry.collector}, and deleted there", err=True)
        return
    refused = entry.state is State.REFUSED
    stands = "was refused" if refused else "stays in the outbox"
    again = f"`mptcp-check upload{f' {entry.run_id}' if refused else ''}` tries again"
    hint = entry.hint.replace("RUN", entry.run_id) or again
    click.echo(f"{entry.run_id} {stands}: {entry.reason}\n  next step: {hint}", err=True)
