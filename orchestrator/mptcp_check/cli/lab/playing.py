"""`mptcp-check lab run`: exchanges behind any boxes, diagnosed and told as a run is."""

import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from rich.text import Text

from mptcp_check import clock, run_directory, settings
from mptcp_check.cli import live, verdict
from mptcp_check.cli.run import BOOT_TIMEOUT_S
from mptcp_check.errors import PreflightError, UsageError
from mptcp_check.exchanges import APPLICATIONS
from mptcp_check.exchanges.plan import Depth
from mptcp_check.lab import lab_run, playing, sandbox
from mptcp_check.lab.case import STREAM, Circumstances
from mptcp_check.model import Exchange, Family, Side
from mptcp_check.run import RunOptions
from mptcp_check.run import run as run_on_machines
from mptcp_check.wanted import Wanted
from mptcp_check.watch import Glimpse, Watch

OWN_RUN = "/run"
"""The sandbox has one of its own there: what is written to it is lost."""


@click.command()
@click.argument("behaviours", nargs=-1, required=True, metavar="BEHAVIOUR[:PARAMETERS]…")
@click.option(
    "--apps",
    default="",
    metavar="NAMES",
    help="Separated by commas: stream (quick, bytes both ways, the default), http, ftp.",
)
@click.option("--checksum", is_flag=True, help="Ask for DSS checksums.")
@click.option("--paths", type=click.IntRange(1, 2), default=2, show_default=True)
@click.option(
    "--family", type=click.Choice([f.value for f in Family]), default="ipv4", show_default=True
)
@click.option(
    "--first",
    type=click.Choice([s.value for s in Side]),
    default="client",
    show_default=True,
    help="Who speaks first in a stream.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder for this run; it must not exist. Without it: among `mptcp-check runs`.",
)
@click.option(
    "--machines",
    is_flag=True,
    help="Play it between virtual machines, as `run` does: http where namespaces have a stream.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one final JSON document on stdout.")
def run(  # noqa: PLR0913 - one per option
    *,
    behaviours: tuple[str, ...],
    apps: str,
    checksum: bool,
    paths: int,
    family: str,
    first: str,
    out: Path | None,
    machines: bool,
    as_json: bool,
) -> None:
    """Play exchanges behind BEHAVIOURs and say what the captures of both ends tell.

    The first behaviour is nearest to the client. kernel:NAME is a box that this
    computer's kernel plays. Each exchange over Multipath TCP has its control over
    plain TCP first.

    \b
    Examples:
      mptcp-check lab run mp_join_removed
      mptcp-check lab run payload_altered --checksum --paths 1
      mptcp-check lab run kernel:ftp_helper --apps ftp
      mptcp-check lab run address_translated mp_capable_removed_from_syn --json
    """  # noqa: D301 - \b is click's mark for 'do not wrap'
    around = Circumstances(checksum=checksum, paths=paths, family=Family(family), first=Side(first))
    playing.chains(behaviours, seed=0)  # names and parameters first of all
    box = playing.box_of(behaviours)
    wanted = _applications(apps, default=STREAM if box is None else box.app)
    if box is not None and around.family not in box.families:
        raise UsageError(f"kernel:{box.id} is for IPv4", hint="leave --family out")
    console = live.console()
    if not machines:
        try:
            way = sandbox.required(behaviours, wanted)
        except PreflightError as e:
            if box is not None:
                raise
            console.print(Text(f"{e.message}: playing it between machines", style="yellow"))
            machines = True
    if machines:
        document = _on_machines(behaviours, wanted, around, out)
    else:
        document = _in_namespaces(behaviours, wanted, around, _folder(out), way)
    verdict.show(console, document, where=document["directory"])
    if as_json:
        click.echo(json.dumps(document, indent=2))


def _in_namespaces(
    behaviours: tuple[str, ...],
    wanted: tuple[str, ...],
    around: Circumstances,
    folder: Path,
    way: sandbox.Way,
) -> dict[str, Any]:
    exchanges = lab_run.plan(wanted, around)
    document: dict[str, Any] = {}
    try:
        with live.watching(live.console()) as watch, sandbox.Sandbox(way) as box:
            watch.step(f"Making two hosts of network namespaces ({way.words})")
            watch.planned(exchanges)
            for said in box.ask(lab_run.request(behaviours, wanted, around, folder)):
                if "done" in said:
                    document = said["done"]
                else:
                    _tell(watch, said, exchanges)
    finally:
        if not document:  # a sandbox that is ended has no time to tidy up
            partial = folder.with_name(folder.name + run_directory.PARTIAL)
            shutil.rmtree(partial, ignore_errors=True)
    return document


def _tell(watch: Watch, said: Mapping[str, Any], exchanges: Sequence[Exchange]) -> None:
    """Pass on what the inside says."""
    tell: dict[str, Callable[[], None]] = {
        "step": lambda: watch.step(said["text"]),
        "detail": lambda: watch.detail(said["text"]),
        "began": lambda: watch.began(exchanges[said["exchange"]]),
        "ended": lambda: watch.ended(exchanges[said["exchange"]], Glimpse(**said["glimpse"])),
    }
    tell[said["event"]]()


def _on_machines(
    behaviours: tuple[str, ...], wanted: tuple[str, ...], around: Circumstances, out: Path | None
) -> dict[str, Any]:
    exchanges = lab_run.machines_plan(wanted, around)
    options = RunOptions(
        apps=tuple(dict.fromkeys(exchange.app for exchange in exchanges)),
        wanted=Wanted(behind=lab_run.machines_behind(behaviours)),
        depth=Depth.FULL,
        out=out,
        boot_timeout_s=BOOT_TIMEOUT_S,
        places=settings.places(),
        exchanges=exchanges,
    )
    with live.watching(live.console()) as watch:
        return dict(run_on_machines(options, watch).document)


def _applications(text: str, *, default: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(a.strip() for a in text.split(",") if a.strip())) or (default,)
    known = (STREAM, *APPLICATIONS)
    for name in names:
        if name not in known:
            raise UsageError(
                f"there is no application '{name}'", hint=f"known are: {', '.join(known)}"
            )
    return names


def _folder(out: Path | None) -> Path:
    if out is None:
        run_id = run_directory.new_id(wall_ns=clock.wall_ns(), random_bytes=os.urandom(10))
        return settings.places().runs / run_id
    folder = out.absolute()
    if folder.is_relative_to(OWN_RUN):
        raise UsageError(f"{folder} is below {OWN_RUN}", hint="choose another --out")
    if folder.exists():
        raise UsageError(f"{out} exists already", hint="choose another --out, or remove it")
    return folder
