"""`mptcp-check lab matrix`: every behaviour under every circumstance, and who was named."""

import json
import os
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Final

import click
from rich import box
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from mptcp_check import clock
from mptcp_check.cli import exit_codes, live
from mptcp_check.errors import UsageError
from mptcp_check.lab import matrix as matrices
from mptcp_check.lab import matrix_html, matrix_run, playing, sandbox
from mptcp_check.lab.case import CLEAN
from mptcp_check.lab.kernel_boxes import PREFIX
from mptcp_check.lab.matrix import Scored, Status

_FRAME_LINES: Final = 8
"""Of the terminal, for what stands around the rows."""
_STYLES: Final = {
    Status.RIGHT: "green",
    Status.MISSED: "red",
    Status.WRONG: "bold red",
    Status.IDLE: "yellow",
    Status.FAILED: "magenta",
}


@click.command()
@click.option(
    "--behaviours",
    default="",
    metavar="NAMES",
    help="Separated by spaces; all of them without this option.",
)
@click.option("--seeds", type=click.IntRange(1, 100), default=1, show_default=True)
@click.option(
    "--jobs",
    type=click.IntRange(1, 64),
    default=lambda: min(4, os.cpu_count() or 1),
    help="How many cases are played at once; by default one for each processor, at most 4.",
)
@click.option("--out", type=click.Path(path_type=Path), help="Keep each case's captures here.")
@click.option("--html", type=click.Path(path_type=Path), help="Write the matrix as a page.")
@click.option("--json", "as_json", is_flag=True, help="Print one final JSON document on stdout.")
@click.option(
    "--fail-on",
    type=click.Choice(["mistakes"]),
    help="Exit with 1 unless everything was named rightly.",
)
def matrix(
    *,
    behaviours: str,
    seeds: int,
    jobs: int,
    out: Path | None,
    html: Path | None,
    as_json: bool,
    fail_on: str | None,
) -> int:
    """Play every behaviour, with and without DSS checksums, over one and two subflows,
    client or server first, IPv4 and IPv6, and count who was named.

    Ctrl-C ends it with what was played so far.

    \b
    Examples:
      mptcp-check lab matrix --html matrix.html
      mptcp-check lab matrix --behaviours "mp_join_removed payload_altered" --json
    """  # noqa: D205, D301 - click's help; \b is its mark for 'do not wrap'
    wanted = _wanted(behaviours)
    cases, left_out = matrices.plan(wanted, seeds=seeds)
    way = sandbox.required()
    keep = _kept(out)
    console = live.console()
    started_ns = clock.wall_ns()
    scored: list[Scored] = []
    interrupted = False
    board = _Board(console, cases_count=len(cases))
    with board.shown():
        try:
            for one in matrix_run.play(cases, way=way, jobs=jobs, keep=keep):
                scored.append(one)
                board.add(one)
        except KeyboardInterrupt:
            interrupted = True
    document = matrices.document(
        scored, left_out, planned_count=len(cases), about=matrix_run.about(started_ns)
    )
    _tell_result(console, document)
    if html is not None:
        html.write_text(matrix_html.render(document), encoding="utf-8")
        click.echo(f"{html} is written", err=True)
    if as_json:
        click.echo(json.dumps(document, indent=2))
    if interrupted:
        click.echo("mptcp-check: interrupted; this is what was played so far", err=True)
        return exit_codes.INTERRUPTED
    perfect = matrices.confusion(scored).perfect
    return exit_codes.FOUND if fail_on and not perfect else 0


def _wanted(text: str) -> tuple[str, ...]:
    """Return the behaviours to play; a wrong name or parameter is refused here."""
    if not text.split():
        return matrices.everything()
    names = tuple(dict.fromkeys(text.split()))
    for name in names:
        if name.startswith(PREFIX):
            raise UsageError(
                f"{name} is not in the matrix", hint=f"`mptcp-check lab run {name}` plays it"
            )
    playing.chains(names, seed=0)
    return names


def _kept(out: Path | None) -> Path | None:
    if out is None:
        return None
    folder = out.absolute()
    if folder.exists() and any(folder.iterdir()):
        raise UsageError(f"{out} is not empty", hint="name a new folder")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


class _Board:
    """The table that fills on a terminal; elsewhere a line for each case."""

    def __init__(self, console: Console, *, cases_count: int) -> None:
        self._console = console
        self._cases_count = cases_count
        self._scored: list[Scored] = []
        self._live: Live | None = None

    def shown(self) -> "Live | nullcontext[None]":
        """Show it while the block runs."""
        if not self._console.is_terminal:
            return nullcontext()
        self._live = Live(console=self._console, refresh_per_second=4, transient=True)
        return self._live

    def add(self, one: Scored) -> None:
        """Show one more answer."""
        self._scored.append(one)
        if self._live is None:
            click.echo(f"  {len(self._scored):>4}/{self._cases_count} {_line(one)}", err=True)
            return
        progress = Text(f"{len(self._scored)} of {self._cases_count} cases", style="dim")
        newest_count = max(4, self._console.height - _FRAME_LINES)
        self._live.update(Group(_table(self._scored, newest_count), progress))


def _line(one: Scored) -> str:
    named = ", ".join(one.result.get("named", ())) or one.result.get("error", "") or "nothing"
    first = named.splitlines()[0]
    return f"{one.status}: {one.case.name} ({one.case.circumstances.words()}): {first}"


def _table(scored: Sequence[Scored], newest_count: int) -> Table:
    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    shown.add_column("played", no_wrap=True)
    for status in Status:
        shown.add_column(status.value, justify="right")
    shown.add_column("named")
    counted = matrices.confusion(scored)
    rows = list(dict.fromkeys(matrices.row_name(one.case) for one in scored))
    for row in rows[-newest_count:]:
        own = [one for one in scored if matrices.row_name(one.case) == row]
        counts = [sum(one.status is status for one in own) for status in Status]
        named = ", ".join(f"{name} {n}" for name, n in sorted(counted.rows.get(row, {}).items()))
        shown.add_row(
            Text(row, style="dim" if row == CLEAN else ""),
            *(
                Text(str(n) if n else "", style=_STYLES[s])
                for s, n in zip(Status, counts, strict=True)
            ),
            named,
        )
    return shown


def _tell_result(console: Console, document: dict[str, object]) -> None:
    """Print the confusion matrix's rows and the totals."""
    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in ("played", "named", "recall", "precision"):
        shown.add_column(title)
    rows, recall, precision = (document[key] for key in ("confusion", "recall", "precision"))
    assert isinstance(rows, dict)  # noqa: S101 - `matrix.document` made it
    assert isinstance(recall, dict)  # noqa: S101 - as above
    assert isinstance(precision, dict)  # noqa: S101 - as above
    for name, row in rows.items():
        said = ", ".join(f"{column} {count}" for column, count in row.items())
        shown.add_row(name, said, _share(recall.get(name)), _share(precision.get(name)))
    shown.add_row("all", "", _share(recall["total"]), _share(precision["total"]))
    console.print(shown)
    console.print(f"{document['played']} of {document['planned']} cases: {document['statuses']}")


def _share(rate: dict[str, object] | None) -> str:
    return "" if rate is None else f"{rate['part']}/{rate['of']}"
