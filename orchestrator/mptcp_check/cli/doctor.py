"""`mptcp-check doctor`: numbered checks, each with what to do."""

import json
from collections.abc import Sequence

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from mptcp_check import settings
from mptcp_check.cli import exit_codes
from mptcp_check.doctor import Examined, Question, Section, Status, examine
from mptcp_check.machines import wishes
from mptcp_check.session_client import server_list

MARKS = {Status.PASS: ("✓", "green"), Status.WARN: ("!", "yellow"), Status.FAIL: ("✗", "bold red")}
NOT_ASKED = "Not looked at: server, captive portal, clock difference. --server names whom to ask."


@click.command()
@click.option(
    "--iface",
    "interfaces",
    multiple=True,
    envvar="MPTCP_CHECK_DOCTOR_IFACE",
    metavar="NAME",
    help="The interface to measure over, as for `run`; may be repeated.",
)
@click.option(
    "--server",
    default="",
    metavar="SERVER",
    help="The measurement server to ask, as for `run`: https://HOST, LIST.toml, or ssh:HOST.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the checks as one JSON document.")
def doctor(*, interfaces: tuple[str, ...], server: str, as_json: bool) -> int:
    """Check what the main job needs on this computer.

    Exit code 3 when a check failed: the main job cannot run here yet.

    \b
    Examples:
      mptcp-check doctor
      mptcp-check doctor --iface eth0 --server https://measure.example
    """  # noqa: D301 - \b is click's
    wished = [wishes.interface_wish(text) for text in interfaces]
    question = Question(
        places=settings.places(),
        interfaces=tuple(wish.name for wish in wished),
        routed=any(wish.routed for wish in wished),
        server=wishes.measurement_server(server, server_list.load) if server else None,
    )
    found = examine(question)
    if as_json:
        click.echo(json.dumps(document(found), indent=2))
    else:
        show(Console(highlight=False), found, asked_server=bool(server))
    failed = any(e.check.status is Status.FAIL for e in found)
    return exit_codes.NOT_READY if failed else 0


def document(found: Sequence[Examined]) -> dict[str, object]:
    """Return `mptcp-check.doctor/1`; PURE."""
    return {
        "schema": "mptcp-check.doctor/1",
        "checks": [
            {
                "number": e.number,
                "section": e.section,
                "name": e.check.name,
                "status": e.check.status,
                "detail": e.check.detail,
                "advice": e.check.advice,
            }
            for e in found
        ],
    }


def show(console: Console, found: Sequence[Examined], *, asked_server: bool) -> None:
    """Print the checks by section, and in the last line what they amount to."""
    width = max((len(e.check.name) for e in found), default=0)
    for section in Section:
        those = [e for e in found if e.section is section]
        if those:
            console.print(Text(section, style="bold"))
            console.print(_table(those, width))
            console.print()
    if not asked_server:
        console.print(Text(NOT_ASKED, style="dim"))
    console.print(_summary(found))


def _table(those: Sequence[Examined], width: int) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(justify="right", width=3, style="dim")
    table.add_column(width=6)
    table.add_column(width=width)
    table.add_column(overflow="fold")
    for e in those:
        mark, style = MARKS[e.check.status]
        said = Text(e.check.detail)
        if e.check.advice:
            said.append(
                f"\n→ {e.check.advice}", style="" if e.check.status is Status.FAIL else "dim"
            )
        table.add_row(str(e.number), Text(f"{mark} {e.check.status}", style), e.check.name, said)
    return table


def _summary(found: Sequence[Examined]) -> Text:
    def numbers(status: Status) -> list[str]:
        return [str(e.number) for e in found if e.check.status is status]

    failed, warned = numbers(Status.FAIL), numbers(Status.WARN)
    if failed:
        what = f"check {failed[0]}" if len(failed) == 1 else f"checks {', '.join(failed)}"
        return Text(f"The main job cannot run here yet: {what} failed.", "bold red")
    if warned:
        what = f"{len(warned)} warning{'s' if len(warned) > 1 else ''} ({', '.join(warned)})"
        return Text(f"The main job can run here, with {what}.", "bold yellow")
    return Text("The main job can run here.", "bold green")
