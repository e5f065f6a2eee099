"""`mptcp-check server`: the measurement server, its keys and its configuration."""

import datetime as dt
import importlib.util
import json
import logging
import os
import shutil
import sys
from pathlib import Path

import click

from mptcp_check import clock
from mptcp_check.errors import MptcpCheckError, PreflightError, UsageError

DEFAULT_CONFIG = "/etc/mptcp-check/server/server.toml"
NEEDED = ("fastapi", "jwt", "uvicorn")
"""What only servers need: the extra `server` of the package."""

_config = click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    default=DEFAULT_CONFIG,
    show_default=True,
    help="The server's configuration, TOML.",
)


@click.group()
def server() -> None:
    """Run a measurement server for many users at once.

    \b
    Examples:
      mptcp-check server example-config > server.toml
      mptcp-check server keygen /etc/mptcp-check/server/ticket-key.pem
      mptcp-check server self-signed --name 192.0.2.1 cert.pem key.pem
      mptcp-check server check-config --config server.toml
      mptcp-check server run --config server.toml
      mptcp-check server drain --config server.toml
    """  # noqa: D301 - \b is click's mark for 'do not wrap'
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise PreflightError(
            f"the measurement server needs {', '.join(missing)}",
            hint="install the extra: pip install 'mptcp-check[server]'",
        )


@server.command("run")
@_config
def run(config: Path) -> None:
    """Serve the HTTPS interface, and captures and applications unless systemd starts them.

    SIGTERM ends it after the requests that run, and sessions stay for the next start; SIGHUP
    reads certificates again.
    """
    from mptcp_check.server import configuration_file  # noqa: PLC0415 - an extra that others lack
    from mptcp_check.server.serving import api_run  # noqa: PLC0415 - as above

    _log_to_stderr()
    api_run.run(configuration_file.load(config), configuration_path=config)


@server.command("capture")
@_config
@click.option("--parent", type=int, default=0, hidden=True, help="End when this process does.")
def capture(config: Path, parent: int) -> None:
    """Serve captures to `server run`; needs CAP_NET_RAW."""
    from mptcp_check.server import configuration_file  # noqa: PLC0415 - as above
    from mptcp_check.server.capture import capture_run  # noqa: PLC0415 - as above

    _log_to_stderr()
    capture_run.run(
        configuration_file.load(config),
        orphaned=lambda: bool(parent) and os.getppid() != parent,
    )


@server.command("services")
@_config
@click.option("--parent", type=int, default=0, hidden=True, help="End when this process does.")
def services(config: Path, parent: int) -> None:
    """Run the application servers that sessions measure with; as root, it goes on as their user.

    It keeps them running, and a folder and an account for each session.
    """
    from mptcp_check.server import configuration_file  # noqa: PLC0415 - as above
    from mptcp_check.server.services import services_run  # noqa: PLC0415 - as above

    _log_to_stderr()
    services_run.run(
        configuration_file.load(config),
        orphaned=lambda: bool(parent) and os.getppid() != parent,
    )


@server.command("check-config")
@_config
def check_config(config: Path) -> None:
    """Name everything that is wrong with a configuration, at once."""
    from mptcp_check.server import configuration_file, signing_key  # noqa: PLC0415 - as above
    from mptcp_check.server.serving.tls import Certificates  # noqa: PLC0415 - as above

    found = configuration_file.load(config)
    wrong: list[MptcpCheckError] = []
    for read in (
        lambda: signing_key.load(found.tickets.signing_key),
        lambda: Certificates(found.api.certificate, found.api.private_key),
    ):
        try:
            read()
        except MptcpCheckError as e:
            wrong.append(e)
    if wrong:
        raise UsageError(
            "\n  ".join(e.message for e in wrong), hint="; ".join(e.hint for e in wrong if e.hint)
        )
    click.echo(f"{config}: fine", err=True)


@server.command("example-config")
def example_config() -> None:
    """Print a configuration to begin with; every setting stands there."""
    from mptcp_check.server.configuration_example import example  # noqa: PLC0415 - as above

    click.echo(example(), nl=False)


@server.command("keygen")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def keygen(file: Path) -> None:
    """Make the key that signs tickets, and print its public half."""
    from mptcp_check.server import signing_key  # noqa: PLC0415 - as above

    click.echo(signing_key.public_text(signing_key.generate(file)), nl=False)


@server.command("self-signed")
@click.argument("certificate", type=click.Path(path_type=Path, dir_okay=False))
@click.argument("private_key", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--name", "names", multiple=True, required=True, help="Name or address; repeatable.")
@click.option("--days", type=click.IntRange(1, 3660), default=365, show_default=True)
def self_signed(certificate: Path, private_key: Path, *, names: tuple[str, ...], days: int) -> None:
    """Make a certificate of one's own, and print the fingerprint for server lists."""
    from mptcp_check.server.serving import self_signed as making  # noqa: PLC0415 - as above

    now = dt.datetime.fromtimestamp(clock.wall_ns() // 10**9, tz=dt.UTC)
    fingerprint = making.make(
        names, certificate=certificate, private_key=private_key, now=now, days=days
    )
    click.echo(fingerprint)


@server.command("drain")
@_config
@click.option("--undo", is_flag=True, help="Take new sessions again.")
def drain(config: Path, *, undo: bool) -> None:
    """Make the server a lame duck: no new sessions, and those that run go on to their end."""
    from mptcp_check.server import configuration_file  # noqa: PLC0415 - as above
    from mptcp_check.server.serving.api_run import LAME_DUCK  # noqa: PLC0415 - as above
    from mptcp_check.server.store import Store  # noqa: PLC0415 - as above

    found = configuration_file.load(config)
    mark = found.server.state / LAME_DUCK
    try:
        if undo:
            mark.unlink(missing_ok=True)
        else:
            mark.touch(mode=0o640)
    except OSError as e:
        raise UsageError(
            f"{mark} cannot be written: {(e.strerror or str(e)).lower()}",
            hint="the server makes its folder when it first runs; --config says which server",
        ) from None
    store = Store(found.database)
    count = store.open_count()
    store.close()
    state = "takes sessions again" if undo else "takes no new sessions"
    click.echo(f"{found.server.id} {state}; open now: {count}", err=True)


@server.command("openapi")
def openapi() -> None:
    """Print the interface's OpenAPI document."""
    from mptcp_check.server.api import application  # noqa: PLC0415 - as above

    click.echo(json.dumps(application.openapi(), indent=2))


@server.command("firewall")
@_config
def firewall(config: Path) -> None:
    """Print nftables rules that cap what one netblock takes of the services: pipe to `nft -f -`."""
    from mptcp_check.server import configuration_file  # noqa: PLC0415 - as above
    from mptcp_check.server.firewall import ruleset  # noqa: PLC0415 - as above

    click.echo(ruleset(configuration_file.load(config)), nl=False)


@server.command("units")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False, exists=True))
def units(folder: Path) -> None:
    """Write the systemd units to FOLDER; they start this program where it is installed."""
    from mptcp_check.server import units as held  # noqa: PLC0415 - as above

    program = _own_path() or held.PROGRAM
    if held.hides(program):
        raise UsageError(
            f"the units do not see {program}: they have no home folders and a /tmp of their own",
            hint="install it for everybody, such as in a virtual environment below /opt",
        )
    for name in held.NAMES:
        (folder / name).write_text(held.text(name, program))
        click.echo(folder / name)


def _own_path() -> str:
    """Return where this program was started from; nothing when it was started in another way."""
    found = shutil.which(sys.argv[0]) if Path(sys.argv[0]).name == "mptcp-check" else None
    return str(Path(found).absolute()) if found else ""


def _log_to_stderr() -> None:
    """Log as the journal takes it: it knows the time by itself."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
