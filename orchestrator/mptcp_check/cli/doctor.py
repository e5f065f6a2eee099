"""`mptcp-check doctor`: numbered checks, each with what to do."""

import json

import click

from mptcp_check import settings
from mptcp_check.doctor import Status, examine

PREFLIGHT_FAILED = 3
COLOURS = {Status.PASS: "green", Status.WARN: "yellow", Status.FAIL: "red"}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the checks as one JSON document.")
def doctor(*, as_json: bool) -> int:
    """Check what the main job needs on this computer.

    Exit code 3 when a check failed: the main job cannot run here yet.
    """
    checks = examine(settings.places())
    if as_json:
        document = {
            "schema": "mptcp-check.doctor/1",
            "checks": [
                {"name": c.name, "status": c.status, "detail": c.detail, "advice": c.advice}
                for c in checks
            ],
        }
        click.echo(json.dumps(document, indent=2))
    else:
        for number, check in enumerate(checks, 1):
            word = click.style(f"{check.status:<4}", fg=COLOURS[check.status], bold=True)
            click.echo(f"{number:>2}. {word}  {check.name}: {check.detail}")
            if check.advice:
                click.echo(f"          {check.advice}")
    return PREFLIGHT_FAILED if any(c.status is Status.FAIL for c in checks) else 0
