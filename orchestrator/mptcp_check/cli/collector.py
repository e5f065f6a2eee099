"""`mptcp-check collector`: takes runs, and gives receipts."""

import base64
import contextlib
import importlib.util
import json
import logging
import secrets
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
import rich.console
import rich.table
import rich.text

from mptcp_check.errors import PreflightError, UsageError

if TYPE_CHECKING:
    from mptcp_collector.collector import Collector

NEEDED: Final = ("alembic", "fastapi", "jwt", "sqlalchemy", "uvicorn")
"""What only collectors need: the extra `collector` of the package."""

REANALYSIS: Final = "mptcp-check.reanalysis/1"

_config = click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    default="/etc/mptcp-check/collector.toml",
    show_default=True,
    help="The collector's configuration, TOML.",
)


@click.group()
def collector() -> None:
    """Run a collector: it takes runs, gives signed receipts, and keeps them.

    \b
    Examples:
      mptcp-check collector serve --config collector.toml
      mptcp-check collector key --config collector.toml
      mptcp-check collector reanalyse --config collector.toml
      mptcp-check collector export --to /srv/public --config collector.toml
      mptcp-check collector backup --to /backup/collector --config collector.toml
    """  # noqa: D301 - \b is click's mark for 'do not wrap'
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise PreflightError(
            f"the collector needs {', '.join(missing)}",
            hint="install the extra: pip install 'mptcp-check[collector]'",
        )


@contextlib.contextmanager
def _opened(config: Path) -> Iterator["Collector"]:
    """Give a collector that serves nobody, beside the one that does."""
    from mptcp_collector import collector as parts  # noqa: PLC0415 - an extra that others lack
    from mptcp_collector import configuration  # noqa: PLC0415 - as above

    _quiet()
    made = parts.make(configuration.load(config))
    try:
        yield made
    finally:
        made.close()


@contextlib.contextmanager
def _stored(config: Path) -> Iterator[dict[str, Any]]:
    """Give the places where a collector keeps things, and nothing that changes them."""
    from mptcp_collector import collector as parts  # noqa: PLC0415 - an extra that others lack
    from mptcp_collector import configuration  # noqa: PLC0415 - as above
    from mptcp_collector.meta import engine  # noqa: PLC0415 - as above

    _quiet()
    found = configuration.load(config)
    found.state.mkdir(parents=True, exist_ok=True, mode=0o750)
    database = engine.opened(found.database_url)
    try:
        yield {"engine": database, "blobs": parts.blobs(found), "state": found.state}
    finally:
        database.dispose()


def _quiet() -> None:
    # every migration that is looked at is no news
    logging.getLogger("alembic").setLevel(logging.WARNING)


@collector.command("serve")
@_config
def serve(config: Path) -> None:
    """Take uploads until SIGTERM; what has a receipt survives any end."""
    from mptcp_collector import configuration, serving  # noqa: PLC0415 - an extra that others lack

    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    _quiet()
    # that is how a collector ends; uvicorn says it again when all requests are through
    with contextlib.suppress(KeyboardInterrupt):
        serving.run(configuration.load(config))


@collector.command("reanalyse")
@_config
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
def reanalyse(config: Path, *, as_json: bool) -> None:
    """Judge every run by the rules of today, and say where the verdict is another.

    Former verdicts stay. It may run beside `serve`, whose page `Judged again` shows the same.
    """
    from mptcp_collector.jobs import sandbox  # noqa: PLC0415 - an extra that others lack

    sandbox.preflight()
    with _opened(config) as made:
        changed = list(made.judging.reanalyse())
        done = made.receiving.meta.reanalyses()[0]
    if as_json:
        document = {"schema": REANALYSIS, **asdict(done), "changed": [asdict(c) for c in changed]}
        click.echo(json.dumps(document, indent=2))
        return
    if changed:
        table = rich.table.Table(box=None, pad_edge=False)
        for head in ("run", "before", "now", "changes"):
            table.add_column(head, overflow="fold")
        for one in changed:
            moves = [f"+{name}" for name in one.appeared] + [f"-{name}" for name in one.gone]
            before = one.outcome_before or "no verdict"
            # what stands there came from outside
            row = (one.run_id, before, one.outcome, " ".join(moves))
            table.add_row(*(rich.text.Text(cell) for cell in row))
        rich.console.Console().print(table)
    click.echo(
        f"rules {done.rules_version}: {done.judged_count} runs judged,"
        f" {len(changed)} otherwise than before",
        err=True,
    )


@collector.command("export")
@_config
@click.option(
    "--to",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="A new folder, or one of a former export.",
)
@click.option(
    "--format",
    "kind",
    type=click.Choice(["parquet", "jsonl"]),
    default="parquet",
    show_default=True,
)
def export(config: Path, folder: Path, kind: str) -> None:
    """Write the public runs as tables, with a manifest.

    `serve` writes the folder again when one of its runs is deleted.
    """
    with _opened(config) as made:
        manifest = made.exporting.write(folder, kind)
    for name, table in manifest["tables"].items():
        click.echo(f"{table['row_count']:>9}  {name:9} {folder / table['file']}")


@collector.command("backup")
@_config
@click.option(
    "--to",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="A folder; one that has a backup is brought up to date.",
)
def backup_(config: Path, folder: Path) -> None:
    """Copy everything into a folder, while the collector runs."""
    from mptcp_collector import backup  # noqa: PLC0415 - an extra that others lack

    with _stored(config) as stored:
        counts = backup.write(folder, **stored)
    click.echo(f"{counts['row_count']} rows and {counts['bundle_count']} bundles in {folder}")


@collector.command("restore")
@_config
@click.option(
    "--from",
    "folder",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    required=True,
)
def restore(config: Path, folder: Path) -> None:
    """Fill an empty collector from a backup, of whatever storage that was."""
    from mptcp_collector import backup  # noqa: PLC0415 - an extra that others lack

    with _stored(config) as stored:
        counts = backup.restore(folder, **stored)
    click.echo(f"{counts['row_count']} rows and {counts['bundle_count']} bundles are here again")


@collector.command("remove")
@_config
@click.argument("run_id")
def remove(config: Path, run_id: str) -> None:
    """Delete a run as its operator: as by its owner, it cannot come back."""
    from mptcp_collector.problem import ProblemError  # noqa: PLC0415 - as above

    with _opened(config) as made:
        try:
            run = made.receiving.run(run_id)
        except ProblemError as e:
            raise UsageError(f"{run_id}: {str(e).lower()}") from None
        made.receiving.remove(run, action="deleted by the operator")
        made.exporting.write_again()
    click.echo(f"{run_id} is deleted")


@collector.command("audit")
@_config
@click.option("--after", type=int, default=0, help="Only lines after this number.")
def audit(config: Path, after: int) -> None:
    """Print the audit log: one JSON object per line."""
    with _opened(config) as made:
        for number, time_ns, action, subject in made.receiving.meta.audit_lines(after=after):
            line = {"number": number, "time_ns": time_ns, "action": action, "subject": subject}
            click.echo(json.dumps(line))


@collector.command("review-token")
@_config
def review_token_(config: Path) -> None:
    """Make the reviewers' token, in place of the former one; `serve` takes it at its next start.

    Reviewers say it at `/review`, and see also what is not public.
    """
    from mptcp_collector import configuration, review_token  # noqa: PLC0415 - as above

    state = configuration.load(config).state
    state.mkdir(parents=True, exist_ok=True, mode=0o750)
    click.echo(review_token.make(state / review_token.FILE, secrets.token_bytes(16)))


@collector.command("key")
@_config
def key(config: Path) -> None:
    """Print the public key that verifies receipts, for clients to pin; made if there is none."""
    from mptcp_collector import configuration, receipt, signing_key  # noqa: PLC0415 - as above

    state = configuration.load(config).state
    state.mkdir(parents=True, exist_ok=True, mode=0o750)
    public = signing_key.load_or_make(state / "receipt-key.pem").public_key()
    click.echo(base64.b64encode(receipt.public_octets(public)).decode())


@collector.command("openapi")
def openapi() -> None:
    """Print the OpenAPI document of the interface."""
    from mptcp_collector.api import application  # noqa: PLC0415 - as above

    click.echo(json.dumps(application.openapi(), indent=2))
