"""`mptcp-check report`: the report of a run again."""

import json
from pathlib import Path

import click

from mptcp_check import run_directory, settings
from mptcp_check.analysis.reporting import report_html
from mptcp_check.cli import live, verdict


@click.command()
@click.argument("run")
@click.option(
    "--html", type=click.Path(path_type=Path, dir_okay=False), help="Write the HTML report here."
)
@click.option("--json", "as_json", is_flag=True, help="Print the report's JSON document.")
def report(run: str, *, html: Path | None, as_json: bool) -> None:
    """Show the report of RUN again.

    RUN is an identifier or the start of one, `last`, or a run's folder.
    """
    found = run_directory.find(run, settings.places().runs)
    document = found.document()
    if html is not None:
        html.write_text(report_html.render(document))
        click.echo(f"{html} is written", err=True)
    if as_json:
        click.echo(json.dumps(document["report"], indent=2))
    elif html is None:
        verdict.show(live.console(), document, where=str(found.directory))
