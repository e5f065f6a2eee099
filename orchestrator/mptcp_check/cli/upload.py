"""`mptcp-check upload`: runs to the collector, with consent, until there is a receipt."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import click

from mptcp_check import run_directory, settings
from mptcp_check.cli import (
    collector_options,
    exit_codes,
    upload_places,
    upload_preview,
    uploading,
    variables,
)
from mptcp_check.errors import UsageError
from mptcp_check.run_directory import StoredRun
from mptcp_upload import consent as consents
from mptcp_upload import sending
from mptcp_upload.collector_client import CollectorClient
from mptcp_upload.consent import Consent, Purpose
from mptcp_upload.errors import ConsentError, UploadError
from mptcp_upload.outbox import Entry, State


@click.command()
@click.argument("runs", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Every run that is on this computer.")
@collector_options.collector_options
@click.option(
    "--verdict-only", is_flag=True, help="Leave the traces of RUNS here, whatever was agreed to."
)
@click.option(
    "--preview",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write what would be sent of one run to this file, and send nothing.",
)
@click.option("--rate", type=variables.Number(min=0.01), help="At most so many Mbit/s.")
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
    verdict_only: bool,
    preview: Path | None,
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
      mptcp-check upload --verdict-only last send no captures
      mptcp-check upload --preview sent.tar last    look at it first
      mptcp-check upload --delete 01kxyz     delete it there
    """  # noqa: D301 - \b is click's mark for 'do not wrap'
    try:
        if withdraw_consent:
            return _withdraw()
        named = runs or (everything and verdict_only)
        if (forget or delete or verdict_only or preview) and not named:
            raise UsageError("name the runs", hint="`mptcp-check runs list` shows them")
        if forget:
            return _forget(runs)
        if delete:
            return _delete(runs)
        wish = Wish(
            runs=runs,
            everything=everything,
            to=(collector, collector_key),
            consent_file=consent_file,
            verdict_only=verdict_only,
        )
        if preview is not None:
            return _preview(wish, preview)
        done = _uploaded(wish, rate)
    except KeyboardInterrupt:
        click.echo(
            "\nmptcp-check: interrupted; `mptcp-check upload` goes on where it stopped", err=True
        )
        return exit_codes.INTERRUPTED
    except OSError as e:
        place = f"{e.filename}: " if e.filename else ""
        raise UploadError(
            f"{place}{(e.strerror or str(e)).lower()}; what was there is safe",
            hint="free some space or look at the rights of the folder, then try again",
        ) from None
    if as_json:
        click.echo(json.dumps(_document(done), indent=2))
    return done.exit_code()


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is to be sent, where to, and why that is allowed."""

    runs: tuple[str, ...]
    everything: bool
    to: tuple[str | None, str | None]
    consent_file: Path | None
    verdict_only: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What became of it."""

    chosen: list[str]
    """Runs that were named and are in the outbox."""
    entries: list[Entry]
    """How they stand; where none was named, how all do."""
    failed: dict[str, UploadError]
    """Runs that were named and could not even be prepared."""

    def exit_code(self) -> int:
        """Return what says most of it."""
        if any(e.state is State.PENDING for e in self.entries):
            return exit_codes.PENDING
        for error in self.failed.values():
            return error.exit_code
        refused = any(e.state is State.REFUSED for e in self.entries)
        return exit_codes.UNUSABLE if self.chosen and refused else 0


def _uploaded(wish: Wish, rate_mbps: float | None) -> Done:
    """Put in what was named, send what waits."""
    box = upload_places.outbox()
    for run_id, why in box.damaged().items():
        click.echo(
            f"mptcp-check: {why}\n  next step: `mptcp-check upload --forget {run_id}`, then upload"
            " the run again",
            err=True,
        )
    chosen, failed = _put(wish, _chosen(wish))
    if failed and not chosen:
        return Done(chosen=[], entries=[], failed=failed)
    waiting = [e.run_id for e in box.entries() if e.state is State.PENDING]
    if not chosen and waiting:
        # what waits was agreed to, but the consent may have been withdrawn since
        consents.read(wish.consent_file or upload_places.consent()).require(Purpose.VERDICT)
    if not waiting and not any(_stands(run_id) for run_id in chosen):
        click.echo("Nothing waits in the outbox.", err=True)
    wanted = chosen or [e.run_id for e in box.entries()]
    entries = uploading.drain(wanted, rate_mbps=rate_mbps)
    return Done(chosen=chosen, entries=entries, failed=failed)


def _stands(run_id: str) -> bool:
    """Say of a run that need not be sent how it stands; return whether there was one to say."""
    entry = upload_places.outbox().get(run_id)
    if entry is None or entry.state is State.PENDING:
        return False
    uploading.say(entry)
    return True


def _put(wish: Wish, runs: list[StoredRun]) -> tuple[list[str], dict[str, UploadError]]:
    """Put runs into the outbox; one that was refused, and is named again, waits again.

    Returns:
        Which are in it, and why the others are not: one keeps no other from leaving.
    """
    if not runs:
        return [], {}
    to = upload_places.collector(*wish.to)
    given = _given(wish, uploading.consent(wish.consent_file, runs, to=to, again=True))
    box, chosen, failed = upload_places.outbox(), [], {}
    for run in runs:
        try:
            entry = uploading.put(run, to, given, anew=wish.verdict_only)
        except UploadError as e:
            uploading.say_not_put(run.run_id, e)
            failed[run.run_id] = e
            continue
        if entry.state is State.REFUSED:
            box.keep(replace(entry, state=State.PENDING))
        chosen.append(entry.run_id)
    return chosen, failed


def _given(wish: Wish, agreed: Consent) -> Consent:
    return consents.agreed(agreed.purposes - {Purpose.TRACES}) if wish.verdict_only else agreed


def _preview(wish: Wish, path: Path) -> int:
    """Write what would leave of one run: by what was agreed to, else by all that could be."""
    runs = _chosen(wish)
    if len(runs) != 1:
        raise UsageError("a preview is of one run", hint="`mptcp-check runs list` shows them")
    try:
        agreed = consents.read(wish.consent_file or upload_places.consent())
        agreed.require(Purpose.VERDICT)
    except ConsentError:
        if wish.consent_file is not None:
            raise
        agreed = consents.agreed([Purpose.VERDICT, Purpose.TRACES])
    upload_preview.write(runs[0], _given(wish, agreed), path)
    return 0


def _document(done: Done) -> dict[str, object]:
    rows = [
        {
            "run_id": e.run_id,
            "state": e.state.value,
            "reason": e.reason or None,
            "url": e.url or None,
            "bundle_sha256": e.bundle_sha256,
            "size_bytes": e.size_bytes,
        }
        for e in done.entries
    ]
    rows += [
        {
            "run_id": run_id,
            "state": "none",
            "reason": error.message,
            "url": None,
            "bundle_sha256": None,
            "size_bytes": None,
        }
        for run_id, error in done.failed.items()
    ]
    return {"schema": "mptcp-check.uploads/1", "uploads": rows}


def _chosen(wish: Wish) -> list[StoredRun]:
    folder = settings.places().runs
    if wish.everything:
        return run_directory.stored(folder)
    return [run_directory.find(name, folder) for name in wish.runs]


def _withdraw() -> int:
    there = consents.withdraw(upload_places.consent())
    click.echo(
        "Your consent is withdrawn: nothing leaves this computer, also not what waits. What was"
        " sent before is deleted by `mptcp-check upload --delete RUN`."
        if there
        else "You had agreed to nothing; nothing leaves this computer.",
        err=True,
    )
    return 0


def _forget(names: tuple[str, ...]) -> int:
    box = upload_places.outbox()
    for name in names:
        run_id = name if name in box.damaged() else _entry(name).run_id
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
    """Return the entry that a name means: `last`, the start of its identifier, or the run's folder.

    Raises:
        UsageError: None or several are meant.
    """
    entries = upload_places.outbox().entries()
    meant = entries[-1:] if name == "last" else _starting(entries, name)
    if not meant and "/" in name:
        meant = _starting(entries, run_directory.find(name, settings.places().runs).run_id)
    if len(meant) != 1:
        raise UsageError(
            f"'{name}' means {len(meant)} runs of the outbox",
            hint="`mptcp-check runs list` shows them",
        )
    return meant[0]


def _starting(entries: list[Entry], name: str) -> list[Entry]:
    return [e for e in entries if e.run_id.startswith(name.lower())]
