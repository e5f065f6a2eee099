"""`mptcp-check verify`: is a run whole, and does its receipt hold?"""

import json

import click

from mptcp_check import run_directory, settings
from mptcp_check.cli import upload_places
from mptcp_upload import manifest, receipt
from mptcp_upload.errors import UploadError
from mptcp_upload.outbox import State

FAILED = 2
PENDING = 6


@click.command()
@click.argument("run")
@click.option("--json", "as_json", is_flag=True, help="Print what was found as a JSON document.")
def verify(run: str, *, as_json: bool) -> int:
    """Verify RUN: its files against its manifest, its receipt against the pinned key.

    A run that was deleted at the collector at your wish has its receipt still, and no URL.

    Exit code 0 when both hold, 2 when one does not, 6 when there is no receipt yet.
    """
    found = run_directory.find(run, settings.places().runs)
    troubles = list(manifest.differences(found.directory))
    box = upload_places.outbox()
    entry, url, received_at = box.get(found.run_id), None, None
    signed = box.receipt(found.run_id) if entry else None
    if entry is not None and signed is not None:
        try:
            held = receipt.verify(
                signed,
                receipt.public_key(entry.collector_key),
                run_id=entry.run_id,
                bundle_sha256=entry.bundle_sha256,
                size_bytes=len(box.bundle(entry)),
            )
            url, received_at = held.url, held.received_at
        except UploadError as e:
            troubles.append(e.message)
    state = entry.state.value if entry else "none"
    if state == State.DELETED:
        url = None
    if as_json:
        document = {
            "schema": "mptcp-check.verified/1",
            "run_id": found.run_id,
            "whole": not troubles,
            "troubles": troubles,
            "upload": state,
            "received_at": received_at,
            "url": url,
        }
        click.echo(json.dumps(document, indent=2))
    for trouble in troubles:
        click.echo(f"mptcp-check: {found.run_id}: {trouble}", err=True)
    if troubles:
        return FAILED
    if received_at is None:
        click.echo(f"{found.run_id}: its files are whole; upload: {state}, no receipt", err=True)
        return PENDING if state in (State.PENDING, "none") else FAILED
    where = "deleted there since" if url is None else url
    click.echo(f"{found.run_id}: whole, received {received_at}: {where}", err=True)
    return 0
