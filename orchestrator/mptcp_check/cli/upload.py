"""`mptcp-check upload`: runs to the collector, with consent, until there is a receipt."""

import json
import os
import random
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import click

from mptcp_check import clock, inspecting, run_directory, settings
from mptcp_check.cli import upload_places
from mptcp_check.errors import UsageError
from mptcp_check.run_directory import StoredRun
from mptcp_upload import consent as consents
from mptcp_upload import outbox as outboxes
from mptcp_upload import preparing, sending
from mptcp_upload.collector_client import CollectorClient
from mptcp_upload.consent import Consent, Purpose
from mptcp_upload.errors import ConsentError, UploadError
from mptcp_upload.outbox import Entry, State
from mptcp_upload.sending import Pace

INTERRUPTED = 130
PENDING = 6
REFUSED = 2
_OF_ORIGINALS = ("hmac_ok", "hmac_bad", "dss_checksum_ok", "dss_checksum_bad")
_EXPECTED_RATIO = 0.6
"""About how much of a run's folder is left as a bundle."""


@click.command()
@click.argument("runs", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Every run that is on this computer.")
@click.option("--collector", metavar="URL", help="Where to; remembered.")
@click.option("--collector-key", metavar="KEY", help="Its public key; pinned at first use.")
@click.option(
    "--consent",
    "consent_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A file that says what may leave, for where nobody can be asked.",
)
@click.option("--rate", type=click.FloatRange(min=0.01), help="At most so many Mbit/s.")
@click.option("--withdraw-consent", is_flag=True, help="Take back what you agreed to, and stop.")
@click.option("--forget", is_flag=True, help="Take RUNS out of the outbox, unsent or not.")
@click.option("--delete", is_flag=True, help="Delete RUNS at the collector, by your token.")
@click.option("--json", "as_json", is_flag=True, help="Print the states as one JSON document.")
def upload(  # noqa: PLR0913 - one argument for each option
    *,
    runs: tuple[str, ...],
    everything: bool,
    collector: str | None,
    collector_key: str | None,
    consent_file: Path | None,
    rate: float | None,
    withdraw_consent: bool,
    forget: bool,
    delete: bool,
    as_json: bool,
) -> int:
    """Send RUNS to a collector; without RUNS, what waits in the outbox.

    Addresses and names are replaced first, and nothing leaves without your consent. What cannot be
    sent now stays in the outbox and goes on where it stopped. Exit code 6 while something waits, 7
    without consent, 2 when the collector refused a run.

    \b
    Examples:
      mptcp-check upload last --collector https://collector.example --collector-key KEY
      mptcp-check upload                     try again what waits
      mptcp-check upload --delete 01kxyz     delete it there
    """  # noqa: D301 - \b is click's mark for 'do not wrap'
    try:
        return _uploaded(
            runs,
            everything=everything,
            to=(collector, collector_key),
            consent_file=consent_file,
            rate=rate,
            deeds=Deeds(withdraw=withdraw_consent, forget=forget, delete=delete),
            as_json=as_json,
        )
    except KeyboardInterrupt:
        click.echo(
            "mptcp-check: interrupted; `mptcp-check upload` goes on where it stopped", err=True
        )
        return INTERRUPTED
    except OSError as e:
        place = f"{e.filename}: " if e.filename else ""
        raise UploadError(
            f"{place}{(e.strerror or str(e)).lower()}; what was there is safe",
            hint="free some space or look at the rights of the folder, then try again",
        ) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Deeds:
    """What else than sending was asked for."""

    withdraw: bool
    forget: bool
    delete: bool


def _uploaded(
    runs: tuple[str, ...],
    *,
    everything: bool,
    to: tuple[str | None, str | None],
    consent_file: Path | None,
    rate: float | None,
    deeds: Deeds,
    as_json: bool,
) -> int:
    if deeds.withdraw:
        return _withdraw()
    if (deeds.forget or deeds.delete) and not runs:
        raise UsageError("name the runs", hint="`mptcp-check runs list` shows them")
    if deeds.forget:
        return _forget(runs)
    if deeds.delete:
        return _delete(runs)
    box = upload_places.outbox()
    chosen = _chosen(runs, everything=everything)
    if chosen:
        named = upload_places.collector(*to)
        agreed = _consent(consent_file, chosen)
        for run in chosen:
            _put(run, named, agreed)
    elif any(e.state is State.PENDING for e in box.entries()):
        # what waits was agreed to, but the consent may have been withdrawn since
        _given(consent_file).require(Purpose.VERDICT)
    wanted = {r.run_id for r in chosen} or {e.run_id for e in box.entries()}
    entries = _drained(wanted, rate)
    if as_json:
        click.echo(json.dumps(_document(entries), indent=2))
    if any(e.state is State.PENDING for e in entries):
        return PENDING
    return REFUSED if any(e.state is State.REFUSED for e in entries if chosen) else 0


def _document(entries: list[Entry]) -> dict[str, object]:
    rows = [
        {
            "run_id": e.run_id,
            "state": e.state.value,
            "reason": e.reason or None,
            "url": e.url or None,
            "bundle_sha256": e.bundle_sha256,
            "size_bytes": e.size_bytes,
        }
        for e in entries
    ]
    return {"schema": "mptcp-check.uploads/1", "uploads": rows}


def _chosen(runs: tuple[str, ...], *, everything: bool) -> list[StoredRun]:
    folder = settings.places().runs
    return (
        run_directory.stored(folder)
        if everything
        else [run_directory.find(name, folder) for name in runs]
    )


def _put(run: StoredRun, to: upload_places.Collector, agreed: Consent) -> None:
    box = upload_places.outbox()
    if (there := box.get(run.run_id)) is not None and there.collector == to.url:
        return
    click.echo(f"==> Preparing {run.run_id}", err=True)
    prepared = preparing.prepare(
        run.directory,
        key=upload_places.anonymisation_key(),
        names=upload_places.names(),
        consent=agreed,
        facts=_facts(run),
    )
    box.put(
        Entry(
            run_id=prepared.run_id,
            bundle_sha256=prepared.sha256,
            size_bytes=len(prepared.octets),
            collector=to.url,
            collector_key=to.key,
            deletion_token=outboxes.deletion_token(os.urandom(32)),
        ),
        prepared.octets,
    )


def _facts(run: StoredRun) -> dict[str, object]:
    """Return what can be found out on the original packets only: digests cover addresses."""
    captures = {}
    for path in sorted((run.directory / "captures").glob("*.pcapng")):
        totals = inspecting.inspect_file(path).inspection.totals
        captures[path.stem] = {name: getattr(totals, name) for name in _OF_ORIGINALS}
    return {"captures": captures}


def drain_waiting() -> None:
    """Try once to send what waits, if consent still holds, and say what became of it."""
    try:
        waiting = {e.run_id for e in upload_places.outbox().entries() if e.state is State.PENDING}
        if waiting and Purpose.VERDICT in _given(None).purposes:
            _drained(waiting, None, attempt_count=1)
    except (UploadError, OSError) as e:
        click.echo(f"mptcp-check: the outbox waits: {e}", err=True)


def _drained(wanted: set[str], rate_mbps: float | None, *, attempt_count: int = 4) -> list[Entry]:
    """Send what waits, and say of each run how it stands."""
    box = upload_places.outbox()
    pace = Pace(
        monotonic_ns=clock.monotonic_ns,
        sleep=time.sleep,
        rng=random.SystemRandom(),
        attempt_count=attempt_count,
        rate_bps=None if rate_mbps is None else int(rate_mbps * 1e6),
    )
    entries = []
    with box.alone() as mine:
        if not mine:
            raise UploadError("another mptcp-check is sending from this outbox", hint="wait for it")
        for waiting in box.entries():
            if waiting.run_id not in wanted:
                continue
            entry = waiting
            if entry.state is State.PENDING:
                with CollectorClient(entry.collector) as client:
                    entry = sending.deliver(box, entry, client, pace, _Lines())
                _say(entry)
            entries.append(entry)
    if not entries:
        click.echo("The outbox is empty.", err=True)
    return entries


def _say(entry: Entry) -> None:
    if entry.state is State.RECEIVED:
        click.echo(f"{entry.run_id} is received: {entry.url}", err=True)
    elif entry.state is State.REFUSED:
        click.echo(f"{entry.run_id} was refused: {entry.reason}", err=True)
    else:
        click.echo(
            f"{entry.run_id} stays in the outbox: {entry.reason}\n"
            "  next step: `mptcp-check upload` goes on where it stopped",
            err=True,
        )


class _Lines:
    """Progress as lines; on a terminal one line that changes."""

    def sent(self, entry: Entry, offset_bytes: int, eta_s: float | None) -> None:
        """Say how far it is."""
        rest = "" if eta_s is None else f", {eta_s:.0f} s left"
        percent = 100 * offset_bytes // max(1, entry.size_bytes)
        on_terminal = sys.stderr.isatty()
        done = offset_bytes == entry.size_bytes
        click.echo(
            f"{chr(13) if on_terminal else ''}    {entry.run_id}: {percent:3d} % of"
            f" {consents.size_text(entry.size_bytes)}{rest}   ",
            err=True,
            nl=done or not on_terminal,
        )

    def waits(self, entry: Entry, wait_s: float, reason: str) -> None:
        """Say why nothing happens."""
        click.echo(f"    {entry.run_id}: {reason}; again in {wait_s:.0f} s", err=True)


def _given(file: Path | None) -> Consent:
    return consents.read(file or upload_places.consent())


def _consent(file: Path | None, chosen: list[StoredRun]) -> Consent:
    """Return the answer that was given, or ask for it where somebody can answer."""
    try:
        given = _given(file)
        given.require(Purpose.VERDICT)
    except ConsentError:
        if file is not None or not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise
    else:
        return given
    sizes = [m["bytes"] for r in chosen for m in r.manifest["members"].values()]
    verdicts = sum(
        m["bytes"]
        for r in chosen
        for n, m in r.manifest["members"].items()
        if not n.endswith(preparing.CAPTURES)
    )
    click.echo("Before anything leaves this computer:\n", err=True)
    purposes = {Purpose.ANALYSE}
    for purpose in (Purpose.VERDICT, Purpose.TRACES, Purpose.PUBLISH):
        words = consents.text(
            purpose,
            verdict_bytes=int(verdicts * _EXPECTED_RATIO),
            traces_bytes=int((sum(sizes) - verdicts) * _EXPECTED_RATIO),
        )
        click.echo(f"  {words}", err=True)
        if not click.confirm("  Do you agree?", default=False, err=True):
            if purpose is Purpose.VERDICT:
                break
            continue
        purposes.add(purpose)
    answer = consents.agreed(purposes)
    answer.require(Purpose.VERDICT)
    consents.write(upload_places.consent(), answer)
    click.echo("`mptcp-check upload --withdraw-consent` takes this back.", err=True)
    return answer


def _withdraw() -> int:
    there = consents.withdraw(upload_places.consent())
    click.echo(
        "Your consent is withdrawn; nothing leaves this computer." if there else "There was none.",
        err=True,
    )
    return 0


def _forget(names: tuple[str, ...]) -> int:
    box = upload_places.outbox()
    for run_id in (_entry(n).run_id for n in names):
        box.forget(run_id)
        click.echo(f"{run_id} is out of the outbox; the run itself stays", err=True)
    return 0


def _delete(names: tuple[str, ...]) -> int:
    for entry in map(_entry, names):
        with CollectorClient(entry.collector) as client:
            sending.delete(upload_places.outbox(), entry, client)
        click.echo(f"{entry.run_id} is deleted at {entry.collector}", err=True)
    return 0


def _entry(name: str) -> Entry:
    found = [e for e in upload_places.outbox().entries() if e.run_id.startswith(name.lower())]
    if len(found) != 1:
        raise UsageError(
            f"'{name}' means {len(found)} runs of the outbox",
            hint="`mptcp-check runs list` shows them",
        )
    return found[0]
