"""The upload at the end of `mptcp-check run`: nothing of it can cost the run that was measured."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click

from mptcp_check.cli import exit_codes, upload_places, uploading
from mptcp_check.cli.collector_options import UploadWish
from mptcp_check.cli.upload_places import Collector
from mptcp_check.errors import MptcpCheckError
from mptcp_check.run_directory import StoredRun
from mptcp_upload import consent as consents
from mptcp_upload import manifest
from mptcp_upload.consent import Consent, Purpose
from mptcp_upload.errors import ConsentError, UploadError
from mptcp_upload.outbox import Entry, State

ATTEMPT_COUNT: Final = 2
"""Of connecting in vain: who measures without a network does not want to wait for one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Uploaded:
    """How the upload of a run ended."""

    state: str = "none"
    """`none`, `pending`, `received` or `refused`."""
    url: str | None = None
    """Only with a verified receipt."""
    reason: str | None = None
    exit_code: int = 0

    def document(self) -> dict[str, Any]:
        """Return the object `upload` of `mptcp-check.run/1`."""
        return {"state": self.state, "url": self.url, "reason": self.reason}


def require_sense(wish: UploadWish) -> None:
    """See before a long measurement that what was said about its upload can be done.

    Raises:
        ConsentError: The file holds no consent.
        MptcpCheckError: The collector is none, or its key another one than the pinned.
        UploadError: The key is none.
    """
    if wish.consent_file is not None:
        consents.read(wish.consent_file)
    if _collector(wish) is None:
        click.echo(
            "mptcp-check: --consent without a collector: the run stays on this computer\n"
            "  next step: name one, --collector URL --collector-key KEY",
            err=True,
        )


def may_send_traces(wish: UploadWish) -> bool:
    """Say whether the run's traces may leave some day, as far as was said by now.

    If not, a public measurement server need not keep its half of them for a collector.
    """
    if wish.no_upload:
        return False
    try:
        given = consents.read(wish.consent_file or upload_places.consent())
    except ConsentError:
        return True  # who has said nothing yet can be asked
    return Purpose.TRACES in given.purposes


def _collector(wish: UploadWish) -> Collector | None:
    return upload_places.known_collector(wish.collector, wish.collector_key)


def after_run(wish: UploadWish, directory: Path) -> Uploaded:
    """Put a whole run into the outbox and send it, then what waited before it.

    It is called after the measurement: its packets would be among the measured. Whatever goes
    wrong here, the run is kept, and that is said.
    """
    if wish.no_upload:
        return Uploaded()
    run = StoredRun(directory=directory, manifest=manifest.read(directory))
    try:
        to = _collector(wish)
        return _sent(to, run, _consent(wish, to, run), wish.rate_mbps)
    except KeyboardInterrupt:
        click.echo(
            f"\nmptcp-check: interrupted; the run is kept in {directory}\n"
            "  next step: `mptcp-check upload` goes on",
            err=True,
        )
        return _as_kept(run.run_id, "interrupted", exit_codes.INTERRUPTED)
    except ConsentError as e:
        hint = e.hint or "`mptcp-check upload last` asks on a terminal"
        click.echo(f"mptcp-check: not uploaded: {e.message}\n  next step: {hint}", err=True)
        return Uploaded(reason=e.message, exit_code=exit_codes.NO_CONSENT)
    except (MptcpCheckError, UploadError) as e:
        hint = e.hint.replace("RUN", run.run_id) or "`mptcp-check upload` tries again"
        click.echo(f"mptcp-check: not uploaded: {e.message}\n  next step: {hint}", err=True)
        return _as_kept(run.run_id, e.message, e.exit_code)
    except OSError as e:
        reason = f"{e.filename or 'the outbox'}: {(e.strerror or str(e)).lower()}"
        click.echo(
            f"mptcp-check: not uploaded: {reason}; the run is kept in {directory}\n"
            f"  next step: free some space, then `mptcp-check upload {directory}`",
            err=True,
        )
        return _as_kept(run.run_id, reason, exit_codes.PENDING)


def _consent(wish: UploadWish, to: Collector | None, run: StoredRun) -> Consent:
    if to is not None:
        return uploading.consent(wish.consent_file, [run], to=to, again=False)
    try:  # what waits for a collector of the past was agreed to, and that may be withdrawn
        return consents.read(wish.consent_file or upload_places.consent())
    except ConsentError:
        return consents.agreed([Purpose.ANALYSE])


def _sent(
    to: Collector | None, run: StoredRun, given: Consent, rate_mbps: float | None
) -> Uploaded:
    if Purpose.VERDICT not in given.purposes:
        return Uploaded(reason=None if to is None else "you did not agree to it")
    box = upload_places.outbox()
    waiting = [e.run_id for e in box.entries() if e.state is State.PENDING]
    if to is not None:
        run_id = uploading.put(run, to, given).run_id
        waiting = [run_id, *(w for w in waiting if w != run_id)]
    if waiting:
        uploading.drain(waiting, rate_mbps=rate_mbps, attempt_count=ATTEMPT_COUNT)
    return _as_kept(run.run_id, "", 0)


def _as_kept(run_id: str, reason: str, exit_code: int) -> Uploaded:
    """Return how the outbox has a run; an exit code is kept where it says more."""
    entry: Entry | None
    try:
        entry = upload_places.outbox().get(run_id)
    except UploadError:
        entry = None
    if entry is None:
        return Uploaded(reason=reason or None, exit_code=exit_code)
    done = entry.state is State.RECEIVED
    return Uploaded(
        state=entry.state.value,
        url=entry.url or None,
        reason=None if done else entry.reason or reason or None,
        exit_code=exit_code or (0 if done else exit_codes.PENDING),
    )


def state_of(run_id: str) -> dict[str, Any]:
    """Return the object `upload` of a run's document as the outbox has it now."""
    return _as_kept(run_id, "", 0).document()
