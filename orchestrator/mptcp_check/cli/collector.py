"""`mptcp-check collector`: takes runs, and gives receipts."""

import importlib.util
import json
import logging
from pathlib import Path
from typing import Final

import click

from mptcp_check.errors import PreflightError

NEEDED: Final = ("alembic", "fastapi", "jwt", "sqlalchemy", "uvicorn")
"""What only collectors need: the extra `collector` of the package."""


@click.group()
def collector() -> None:
    """Run a collector: it takes runs, gives signed receipts, and keeps them.

    \b
    Examples:
      mptcp-check collector serve --config collector.toml
      mptcp-check collector openapi
    """  # noqa: D301 - \b is click's mark for 'do not wrap'
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise PreflightError(
            f"the collector needs {', '.join(missing)}",
            hint="install the extra: pip install 'mptcp-check[collector]'",
        )


@collector.command("serve")
@click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    default="/etc/mptcp-check/collector.toml",
    show_default=True,
    help="The collector's configuration, TOML.",
)
def serve(config: Path) -> None:
    """Take uploads until SIGTERM; what has a receipt survives any end."""
    from mptcp_collector import configuration, serving  # noqa: PLC0415 - an extra that others lack

    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    # every migration that is looked at is no news
    logging.getLogger("alembic").setLevel(logging.WARNING)
    serving.run(configuration.load(config))


@collector.command("openapi")
def openapi() -> None:
    """Print the OpenAPI document of the interface."""
    from mptcp_collector.api import application  # noqa: PLC0415 - as above

    click.echo(json.dumps(application.openapi(), indent=2))
