"""`mptcp-check runs`: the history on this computer."""

import json
import shutil

import click
from rich import box
from rich.table import Table

from mptcp_check import run_directory, settings
from mptcp_check.cli import exit_codes, live, run_upload, upload_places, verdict
from mptcp_upload import manifest


@click.group()
def runs() -> None:
    """Show and remove the runs that are kept on this computer."""


@runs.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print the list as one JSON document.")
def list_runs(*, as_json: bool) -> int:
    """List the runs, oldest first."""
    found = run_directory.stored(settings.places().runs)
    box_of_runs = upload_places.outbox()
    uploads = {e.run_id: e.state.value for e in box_of_runs.entries()}
    uploads |= dict.fromkeys(box_of_runs.damaged(), "damaged")
    if as_json:
        rows = [
            {
                "run_id": r.run_id,
                "started": r.manifest.get("started"),
                "outcome": r.manifest.get("outcome"),
                "behind": r.manifest.get("behind", []),
                "upload": uploads.get(r.run_id, "none"),
                "directory": str(r.directory),
            }
            for r in found
        ]
        click.echo(json.dumps({"schema": "mptcp-check.runs/1", "runs": rows}, indent=2))
        return 0
    if not found:
        click.echo("There are no runs yet; `mptcp-check run` makes one.", err=True)
        return 0
    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    shown.add_column("run", no_wrap=True)  # what other commands take, in one piece
    for title in ("started (UTC)", "worst outcome", "behind", "upload"):
        shown.add_column(title)
    for r in found:
        about = r.manifest
        behind = ", ".join(map(str, about.get("behind", []))) or "-"
        shown.add_row(
            r.run_id,
            str(about.get("started", "?")).replace("T", " ")[:16],
            str(about.get("outcome", "?")),
            behind,
            uploads.get(r.run_id, "none"),
        )
    live.console(stderr=False).print(shown)
    return 0


@runs.command()
@click.argument("run")
@click.option("--json", "as_json", is_flag=True, help="Print the run's document.")
def show(run: str, *, as_json: bool) -> int:
    """Show RUN again: an identifier or the start of one, `last`, or a run's folder.

    Exit code 2 when its files are not what its manifest says.
    """
    found = run_directory.find(run, settings.places().runs)
    document = {**found.document(), "upload": run_upload.state_of(found.run_id)}
    if as_json:
        click.echo(json.dumps(document, indent=2))
    else:
        verdict.show(live.console(), document, where=str(found.directory))
    damage = manifest.differences(found.directory)
    for sentence in damage:
        click.echo(f"mptcp-check: {found.directory}: {sentence}", err=True)
    return exit_codes.UNUSABLE if damage else 0


@runs.command()
@click.argument("run")
@click.confirmation_option(prompt="Remove this run with its captures?")
def rm(run: str) -> None:
    """Remove RUN from this computer."""
    found = run_directory.find(run, settings.places().runs)
    shutil.rmtree(found.directory)
    click.echo(f"{found.directory} is removed", err=True)
