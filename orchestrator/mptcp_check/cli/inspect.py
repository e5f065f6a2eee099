"""`mptcp-check inspect`: connections, subflows and metrics of captures.

Each result is written by a module that is loaded when it is asked for: to load all of them takes
longer than to inspect a hundred thousand packets.
"""

import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mptcp_check import capture_input, inspecting, new_folder
from mptcp_check.analysis.one_way.values import TwoEnds
from mptcp_check.analysis.reporting import inspect_document
from mptcp_check.analysis.reporting.inspect_document import InspectedFile
from mptcp_check.errors import CaptureError, UsageError
from mptcp_check.inspecting import Inspected

if TYPE_CHECKING:
    from mptcp_check.cli.inspect_progress import SlowProgress

# What cannot be read is said in our own words.
CAPTURE = click.Path(path_type=Path, allow_dash=True, readable=False)
FOLDER = click.Path(path_type=Path, readable=False)


@click.command()
@click.argument("captures", type=CAPTURE, nargs=-1, required=True, metavar="CAPTURE...")
@click.option("--json", "as_json", is_flag=True, help="Print all of it as one JSON document.")
@click.option("--all", "all_connections", is_flag=True, help="Show every connection, not 25.")
@click.option(
    "--export", type=FOLDER, metavar="DIR", help="Write tables as Parquet and CSV to this folder."
)
@click.option(
    "--split", type=FOLDER, metavar="DIR", help="Write each connection's packets to this folder."
)
@click.option(
    "--plot", type=FOLDER, metavar="DIR", help="Write plots of each connection to this folder."
)
@click.option(
    "--server",
    type=CAPTURE,
    metavar="CAPTURE",
    help="A capture of the same traffic at the server: show what was lost and delayed between.",
)
def inspect(
    *,
    captures: tuple[Path, ...],
    as_json: bool,
    all_connections: bool,
    export: Path | None,
    split: Path | None,
    plot: Path | None,
    server: Path | None,
) -> int:
    """Show the connections, subflows and metrics of each CAPTURE.

    A capture is a pcap or pcapng file, possibly compressed with gzip or zstd, or `-` for one that
    comes through a pipe: it is analysed at its end, or at Ctrl-C with what came.

    What of a file cannot be read is told on standard error; the exit code is 2 when nothing could.

    \b
    Examples:
      mptcp-check inspect trace.pcapng
      mptcp-check inspect client.pcap.gz server.pcap.zst --json
      mptcp-check inspect client.pcapng --server server.pcapng
      tcpdump -U -w - tcp | mptcp-check inspect -
      mptcp-check inspect trace.pcapng --export tables --split connections --plot plots
    """  # noqa: D301 - \b is click's mark for 'do not wrap'
    if server is not None:
        if len(captures) > 1:
            raise UsageError("--server goes with one capture", hint="name the client's alone")
        captures = (*captures, server)
    _check(captures, [folder for folder in (export, split, plot) if folder is not None])
    found: list[Inspected] = []
    files: list[InspectedFile] = []
    for path in captures:
        file, inspected = _inspected(path)
        files.append(file)
        found += [inspected] if inspected else []
    if not found or (server is not None and len(found) < len(captures)):
        return CaptureError.exit_code
    ends = None if server is None else _two_ends(found)
    results = (
        (export, partial(_export, ends=ends)),
        (split, _split),
        (plot, partial(_plot, ends=ends)),
    )
    for folder, write in results:
        if folder is not None:
            with _progress(f"writing {folder}") as progress:
                write(found, folder, progress)
            click.echo(f"{folder} is written", err=True)
    if as_json:
        sys.stdout.writelines(inspect_document.lines(files, **_more(files, ends)))
        sys.stdout.flush()
    else:
        _show(files, ends, all_connections=all_connections)
    return 0


def _check(captures: Sequence[Path], folders: Sequence[Path]) -> None:
    """Refuse what cannot be done before any work begins.

    Raises:
        UsageError: Two results for one folder, a folder in use, standard input named twice.
    """
    if captures.count(capture_input.STANDARD_INPUT) > 1:
        raise UsageError("standard input can be read only once")
    if len({folder.resolve() for folder in folders}) < len(folders):
        raise UsageError(f"{folders[0]} cannot take two results", hint="name two folders")
    for folder in folders:
        new_folder.check(folder)


def _inspected(path: Path) -> tuple[InspectedFile, Inspected | None]:
    """Inspect one capture, and say what is wrong with it."""
    name = capture_input.name_of(path)
    if path == capture_input.STANDARD_INPUT and sys.stderr.isatty():
        click.echo("Reading standard input until its end; Ctrl-C shows what came", err=True)
    try:
        with _progress(name) as progress:
            inspected = inspecting.inspect_file(path, progress=progress)
    except CaptureError as e:
        click.echo(f"mptcp-check: {e.message}", err=True)
        return InspectedFile(path=name, inspection=inspecting.unreadable(e.message)), None
    for problem in inspected.inspection.problems:
        click.echo(f"mptcp-check: {name}: byte {problem.offset}: {problem.reason}", err=True)
    return InspectedFile(path=name, inspection=inspected.inspection), inspected


def _progress(text: str) -> "AbstractContextManager[SlowProgress | None]":
    """Return a progress bar where somebody looks."""
    if not sys.stderr.isatty():
        return nullcontext()
    from mptcp_check.cli import live  # noqa: PLC0415 - see the module
    from mptcp_check.cli.inspect_progress import SlowProgress  # noqa: PLC0415 - see the module

    return SlowProgress(live.console(), text)


def _two_ends(found: Sequence[Inspected]) -> TwoEnds:
    """Lay the client's and the server's capture beside each other."""
    from mptcp_check.analysis.capture import capture_file  # noqa: PLC0415 - see the module
    from mptcp_check.analysis.one_way.measure import measure  # noqa: PLC0415 - as above
    from mptcp_check.analysis.pairing.pair import pair  # noqa: PLC0415 - as above

    with _progress("pairing the two captures"):
        # copies, as what is read again for tables and plots takes the place of these bytes
        client, server = (
            capture_file.read(given.again(0, given.size_bytes).copy())
            for given in (inspected.given for inspected in found)
        )
        return measure(pair(client, server))


def _more(files: Sequence[InspectedFile], ends: TwoEnds | None) -> inspect_document.Document:
    if ends is None:
        return {}
    from mptcp_check.analysis.reporting import two_ends_document  # noqa: PLC0415 - see the module

    first = inspect_document.first_ids(files)[-1]
    return {"two_ends": two_ends_document.two_ends(ends, first_server_connection=first)}


def _show(files: Sequence[InspectedFile], ends: TwoEnds | None, *, all_connections: bool) -> None:
    from mptcp_check.cli import inspect_table, live  # noqa: PLC0415 - see the module

    console = live.console(stderr=False)
    inspect_table.show(console, files, all_connections=all_connections)
    if ends is not None:
        from mptcp_check.cli import two_ends  # noqa: PLC0415 - as above

        two_ends.show(console, ends, all_subflows=all_connections)


def _export(
    found: Sequence[Inspected],
    folder: Path,
    progress: "SlowProgress | None",
    *,
    ends: TwoEnds | None,
) -> None:
    from mptcp_check import exporting  # noqa: PLC0415 - see the module
    from mptcp_check.analysis.tables import crossing_table  # noqa: PLC0415 - as above

    crossings = None if ends is None else crossing_table.crossing_tables(ends)
    exporting.export(found, folder, crossings=crossings, progress=progress)


def _split(found: Sequence[Inspected], folder: Path, progress: "SlowProgress | None") -> None:
    from mptcp_check import splitting  # noqa: PLC0415 - see the module

    splitting.split(found, folder, progress=progress)


def _plot(
    found: Sequence[Inspected],
    folder: Path,
    progress: "SlowProgress | None",
    *,
    ends: TwoEnds | None,
) -> None:
    """Draw each capture; several ones in folders with their numbers."""
    from mptcp_check import plotting  # noqa: PLC0415 - see the module

    def draw(inspected: Inspected, place: Path) -> None:
        more = plotting.no_figures
        if ends is not None and inspected is found[0]:
            from mptcp_check.analysis.plots import delay_figure  # noqa: PLC0415 - as above

            more = partial(delay_figure.delay_figures, ends)
        counted = progress.counted if progress else None
        left_out = plotting.plot(inspected, place, more=more, progress=counted)
        if left_out:
            click.echo(f"mptcp-check: {inspected.given.name}: {left_out}", err=True)

    if len(found) == 1:
        draw(found[0], folder)
        return
    with new_folder.whole(folder) as made:
        for index, inspected in enumerate(found):
            draw(inspected, made / str(index))
