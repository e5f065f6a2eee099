"""`mptcp-check verify`: is a run whole, and does its receipt hold?"""

import json
from dataclasses import dataclass

import click

from mptcp_check import run_directory, settings
from mptcp_check.cli import exit_codes, upload_places
from mptcp_check.run_directory import StoredRun
from mptcp_upload import manifest, receipt
from mptcp_upload.errors import UploadError
from mptcp_upload.outbox import Outbox, State

NOT_UPLOADED = "none"


@click.command()
@click.argument("run")
@click.option("--json", "as_json", is_flag=True, help="Print what was found as a JSON document.")
def verify(run: str, *, as_json: bool) -> int:
    """Verify RUN: its files against its manifest, its receipt against the pinned key.

    A run that was deleted at the collector at your wish has its receipt still, and no URL.

    Exit code 0 when both hold, 2 when one does not, 6 when there is no receipt yet.
    """
    found = _verified(run_directory.find(run, settings.places().runs), upload_places.outbox())
    if as_json:
        click.echo(json.dumps(found.document(), indent=2))
    for line in found.lines():
        click.echo(line, err=True)
    return found.exit_code


@dataclass(frozen=True, slots=True, kw_only=True)
class _Verified:
    """What was found of a run."""

    run_id: str
    troubles: tuple[str, ...]
    """What does not hold, of its files and its receipt."""
    upload: str
    """A `State` of the outbox, or `NOT_UPLOADED`."""
    received_at: str | None
    """None without a receipt that holds."""
    url: str | None
    """None without a receipt that holds, and where the run was deleted since."""

    def document(self) -> dict[str, object]:
        return {
            "schema": "mptcp-check.verified/1",
            "run_id": self.run_id,
            "whole": not self.troubles,
            "troubles": list(self.troubles),
            "upload": self.upload,
            "received_at": self.received_at,
            "url": self.url,
        }

    def lines(self) -> list[str]:
        """Return the same for people."""
        if self.troubles:
            return [f"mptcp-check: {self.run_id}: {trouble}" for trouble in self.troubles]
        if self.received_at is None:
            return [f"{self.run_id}: its files are whole; upload: {self.upload}, no receipt"]
        where = "deleted there since" if self.url is None else self.url
        return [f"{self.run_id}: whole, received {self.received_at}: {where}"]

    @property
    def exit_code(self) -> int:
        if self.received_at is not None and not self.troubles:
            return 0
        waits = self.upload in (State.PENDING, NOT_UPLOADED) and not self.troubles
        return exit_codes.PENDING if waits else exit_codes.UNUSABLE


def _verified(run: StoredRun, box: Outbox) -> _Verified:
    troubles = list(manifest.differences(run.directory))
    entry = box.get(run.run_id)
    signed = box.receipt(run.run_id) if entry else None
    held: receipt.Receipt | None = None
    if entry is not None and signed is not None:
        try:
            held = receipt.verify(
                signed,
                receipt.public_key(entry.collector_key),
                run_id=entry.run_id,
                bundle_sha256=entry.bundle_sha256,
                size_bytes=len(box.bundle(entry)),
            )
        except UploadError as e:
            troubles.append(e.message)
    is_deleted = entry is not None and entry.state is State.DELETED
    return _Verified(
        run_id=run.run_id,
        troubles=tuple(troubles),
        upload=entry.state.value if entry else NOT_UPLOADED,
        received_at=held.received_at if held else None,
        url=held.url if held and not is_deleted else None,
    )
