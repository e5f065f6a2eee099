"""`mptcp-check image prune`: remove what newer images have replaced."""

import json

import click

from mptcp_appliance import cache, images
from mptcp_check import settings
from mptcp_check.cli import live

SCHEMA = "mptcp-check.pruned/1"


@click.command()
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print what was removed as one JSON document."
)
def prune(*, dry_run: bool, as_json: bool) -> None:
    """Remove images and kernels built here that this version of the program does not boot.

    What a run can boot stays, and so does every image from a catalogue. Each build leaves the
    last two that it replaced; this removes those too.

    \b
    Examples:
      mptcp-check image prune --dry-run
      mptcp-check image prune
    """  # noqa: D301 - \b is click's
    with live.watching(live.console()) as watch:
        removed = cache.prune(
            map(images.load, images.names()),
            cache_dir=settings.places().images,
            progress=watch.detail,
            only_say=dry_run,
        )
    if as_json:
        rows = [{"folder": str(folder), "bytes": size} for folder, size in removed.items()]
        click.echo(json.dumps({"schema": SCHEMA, "dry_run": dry_run, "removed": rows}, indent=2))
        return
    for folder, size_bytes in removed.items():
        click.echo(f"{folder} ({size_bytes // 10**6} MB)")
    freed_mb = sum(removed.values()) // 10**6
    said = "would be free" if dry_run else "are free again"
    words = f"{freed_mb} MB {said}." if removed else "Nothing was replaced."
    click.echo(words, err=True)
