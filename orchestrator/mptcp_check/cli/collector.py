"""`mptcp-check collector`: takes runs, and gives receipts."""

import base64
import importlib.util
import json
import logging
from dataclasses import asdict
from pathlib import Path
from typing import Final

import click

from mptcp_check.errors import PreflightError

NEEDED: Final = ("alembic", "fastapi", "jwt", "sqlalchemy", "uvicorn")
"""What only collectors need: the extra `collector` of the package."""


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
    """  # noqa: D301 - \b is click's mark for 'do not wrap'
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise PreflightError(
            f"the collector needs {', '.join(missing)}",
            hint="install the extra: pip install 'mptcp-check[collector]'",
        )


@collector.command("serve")
@_config
def serve(config: Path) -> None:
    """Take uploads until SIGTERM; what has a receipt survives any end."""
    from mptcp_collector import configuration, serving  # noqa: PLC0415 - an extra that others lack

    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    # every migration that is looked at is no news
    logging.getLogger("alembic").setLevel(logging.WARNING)
    serving.run(configuration.load(config))


@collector.command("reanalyse")
@_config
@click.option("--json", "as_json", is_flag=True, help="One JSON object per changed run.")
def reanalyse(config: Path, *, as_json: bool) -> None:
    """Judge every run by the rules of today, and say where the verdict is another.

    Former verdicts stay. It may run beside `serve`.
    """
    from mptcp_collector import collector as parts  # noqa: PLC0415 - as above
    from mptcp_collector import configuration  # noqa: PLC0415 - as above
    from mptcp_collector.jobs import sandbox  # noqa: PLC0415 - as above

    sandbox.preflight()
    made = parts.make(configuration.load(config))
    count = 0
    try:
        for one in made.judging.reanalyse():
            count += 1
            if as_json:
                click.echo(json.dumps(asdict(one)))
                continue
            moves = [f"+{name}" for name in one.appeared] + [f"-{name}" for name in one.gone]
            before = one.outcome_before or "no verdict"
            click.echo(f"{one.run_id}  {before} -> {one.outcome}  {' '.join(moves)}")
    finally:
        made.close()
    click.echo(f"{count} runs are judged otherwise now", err=True)


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
