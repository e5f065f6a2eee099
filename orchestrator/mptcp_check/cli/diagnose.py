"""`mptcp-check diagnose`: what the path did, from captures taken anywhere."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from mptcp_check import __version__, capture_input
from mptcp_check.analysis.diagnose import diagnose as judge
from mptcp_check.analysis.reporting import report, report_html
from mptcp_check.analysis.reporting.json_text import json_text
from mptcp_check.cli import live, verdict
from mptcp_check.errors import CaptureError
from mptcp_check.model import State

NOT_JUDGED_HINT = "give the captures of both ends of one exchange, taken at the same time"
CAPTURE = click.Path(path_type=Path)


@click.command()
@click.argument("client", type=CAPTURE)
@click.argument("server", type=CAPTURE, required=False)
@click.option("--html", type=click.Path(path_type=Path), help="Write the HTML report here.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as one JSON document.")
@click.option("--seen", is_flag=True, help="With --json: only the findings that were seen.")
def diagnose(
    *, client: Path, server: Path | None, html: Path | None, as_json: bool, seen: bool
) -> None:
    """Say what the path did between the captures CLIENT and SERVER.

    The captures were taken at both ends at the same time, as pcap or pcapng, possibly
    compressed with gzip or zstd. With CLIENT alone only what one end can know is said.

    \b
    Examples:
      mptcp-check diagnose client.pcapng server.pcapng
      mptcp-check diagnose client.pcap.gz --json --seen
    """  # noqa: D301 - \b is click's mark for 'do not wrap'
    with uncollected():
        _diagnose(client, server, html=html, as_json=as_json, seen=seen)


@contextmanager
def uncollected() -> Iterator[None]:
    """Leave out the search for circles of garbage: there are none, and it takes a third.

    Very many connections are millions of values that all stay until the report is printed.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _diagnose(
    client: Path, server: Path | None, *, html: Path | None, as_json: bool, seen: bool
) -> None:
    captures = [capture_input.read(path) for path in (client, server) if path is not None]
    for path, capture in zip((client, server), captures, strict=False):
        for problem in capture.problems:
            click.echo(f"mptcp-check: {path}: byte {problem.offset}: {problem.reason}", err=True)
    diagnosis = judge(captures[0], captures[1] if server else None)
    document = report.document(diagnosis, tool_version=__version__)
    if html is not None:
        html.write_text(report_html.render(document), encoding="utf-8")
        click.echo(f"{html} is written", err=True)
    if as_json:
        if seen:
            document["findings"] = [f for f in document["findings"] if f["state"] == State.SEEN]
        click.echo(json_text(document))
    elif html is None:
        verdict.show_report(live.console(), document)
    if not diagnosis.judged:
        raise CaptureError(diagnosis.problems[0], hint=NOT_JUDGED_HINT)
