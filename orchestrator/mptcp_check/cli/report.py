"""`mptcp-check report`: the report of a run again, or judged again."""

import json
from pathlib import Path
from typing import Any

import click

from mptcp_check import clock, rejudging, run_directory, settings, storing
from mptcp_check.analysis.reporting import report_html
from mptcp_check.cli import live, verdict
from mptcp_check.run_directory import StoredRun


@click.command()
@click.argument("run")
@click.option(
    "--html", type=click.Path(path_type=Path, dir_okay=False), help="Write the HTML report here."
)
@click.option(
    "--rejudge",
    is_flag=True,
    help="Judge the run's captures and records by the rules of this version; the old verdict"
    " stays in the run's folder.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the report's JSON document.")
def report(run: str, *, html: Path | None, rejudge: bool, as_json: bool) -> None:
    """Show the report of RUN again.

    RUN is an identifier or the start of one, `last`, or a run's folder.

    \b
    Examples:
      mptcp-check report last --html report.html
      mptcp-check report 01kxyz --rejudge
    """  # noqa: D301 - \b is click's mark for 'do not wrap'
    found = run_directory.find(run, settings.places().runs)
    document = _judge_again(found) if rejudge else found.document()
    if html is not None:
        html.write_text(report_html.render(document))
        click.echo(f"{html} is written", err=True)
    if as_json:
        click.echo(json.dumps(document["report"], indent=2))
    elif html is None:
        verdict.show(live.console(), document, where=str(found.directory))


def _judge_again(found: StoredRun) -> dict[str, Any]:
    """Replace the verdict of a run, and say what is new and where the old one is."""
    judged = rejudging.rejudge(found, at=clock.utc_text(clock.wall_ns()))
    kept = rejudging.keep_former(found.directory, judged.former)
    storing.store_report(found.directory, judged.document)
    former, now = judged.former["report"], judged.document["report"]
    click.echo(
        f"Judged again by rules {now['rules_version']}; the verdict of rules"
        f" {former['rules_version']} is kept in {kept}",
        err=True,
    )
    if former["outcome"] != now["outcome"]:
        click.echo(f"  outcome: {former['outcome']} -> {now['outcome']}", err=True)
    for word, behaviours in (("seen now", judged.appeared), ("no longer seen", judged.gone)):
        if behaviours:
            click.echo(f"  {word}: {', '.join(behaviours)}", err=True)
    return judged.document
