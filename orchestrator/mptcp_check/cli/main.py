"""The entry point: the command table, and the one place where errors become a line and a code."""

import importlib
import os
import signal
import sys
from types import FrameType
from typing import Any, Final

import click
from click.core import ParameterSource

from mptcp_appliance.errors import ImageError
from mptcp_check import __version__, settings, settings_file
from mptcp_check.cli import exit_codes, variables
from mptcp_check.errors import MptcpCheckError, PreflightError
from mptcp_check.new_folder import DISK_FULL
from mptcp_upload.errors import UploadError
from mptcp_upload.manifest import ManifestError

VARIABLES: Final = "MPTCP_CHECK"

COMMANDS: Final = (
    "run",
    "doctor",
    "diagnose",
    "inspect",
    "lab",
    "runs",
    "report",
    "upload",
    "verify",
    "image",
    "server",
    "collector",
    "config",
)
"""Each is a function of its name in a module of its name."""


class Commands(click.Group):
    """The commands; with none given, or only options, `run` is meant.

    A command is imported when it is used: what the others need takes longer than some of them run.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's interface
        """Return the names of all commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - as above
        """Import a command."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"mptcp_check.cli.{cmd_name}")
        return variables.named(getattr(module, cmd_name), f"{VARIABLES}_{cmd_name.upper()}")

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put `run` in front of arguments that name no command."""
        if not args or (args[0] not in COMMANDS and args[0] not in ("-h", "--help", "--version")):
            starts_with_option = not args or args[0].startswith("-")
            args = ["run", *args] if starts_with_option else args
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - whatever the command returns
        """Let the user's file say what command line and environment do not."""
        ctx.default_map = dict(settings_file.read(settings.file()).commands)
        return super().invoke(ctx)


SETTINGS = {"help_option_names": ["-h", "--help"], "auto_envvar_prefix": VARIABLES}
"""Options may also come from the environment: ``MPTCP_CHECK_RUN_APPS=http``."""


@click.group(cls=Commands, context_settings=SETTINGS)
@click.version_option(__version__, prog_name="mptcp-check")
def cli() -> None:
    """Find out whether Multipath TCP works, where it falls back, and which middlebox did it.

    \b
    Without a command the main job runs: two virtual machines with a Multipath TCP
    kernel run some twenty applications through this program's own small network,
    every packet is captured at both ends, and a report says what the path did.

    \b
    Examples:
      mptcp-check                                  check, and open the report it names
      mptcp-check run --quick                      the shortest check
      mptcp-check run --behind mp_join_removed     with a middlebox in the way
      mptcp-check diagnose client.pcap server.pcap captures taken anywhere
      mptcp-check inspect trace.pcapng             connections, subflows, metrics
      mptcp-check doctor                           what is missing on this computer
    """  # noqa: D301 - \b is click's mark for 'do not wrap'


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; an error raised on purpose becomes one clear line and its exit code."""
    signal.signal(signal.SIGTERM, _terminated)
    try:
        result: Any = cli.main(arguments, prog_name="mptcp-check", standalone_mode=False)
        code = result if isinstance(result, int) else 0
    except MptcpCheckError as e:
        code = _say(e.message, e.hint, e.exit_code)
    except ImageError as e:
        code = _say(e.message, e.hint, exit_codes.NOT_READY)
    except UploadError as e:
        code = _say(e.message, e.hint, e.exit_code)
    except ManifestError as e:
        code = _say(e.message, e.hint, exit_codes.UNUSABLE)
    except click.ClickException as e:
        e.show()
        click.echo(_whence(e), err=True, nl=False)
        code = e.exit_code
    except BrokenPipeError:
        # whoever read our output has seen enough; do not let Python complain at its exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except OSError as e:
        if e.errno not in DISK_FULL:
            raise
        place = f" for {e.filename}" if e.filename else ""
        code = _say(
            f"no space left on the disk{place}; nothing of this run is left",
            "free some space, or set MPTCP_CHECK_HOME to a folder on another disk",
            PreflightError.exit_code,
        )
    except (click.Abort, KeyboardInterrupt):
        code = _say("interrupted; nothing of this run is left", "", exit_codes.INTERRUPTED)
    sys.exit(code)


def _whence(error: click.ClickException) -> str:
    """Say where a value came from that nobody sees on the command line."""
    if not isinstance(error, click.BadParameter) or error.ctx is None or error.param is None:
        return ""
    source = error.ctx.get_parameter_source(error.param.name or "")
    if source is ParameterSource.DEFAULT_MAP:
        return f"  it comes from {settings.file()}\n"
    return "  it comes from the environment\n" if source is ParameterSource.ENVIRONMENT else ""


def _say(message: str, hint: str, code: int) -> int:
    click.echo(f"mptcp-check: {message}", err=True)
    if hint:
        click.echo(f"  next step: {hint}", err=True)
    return code


def _terminated(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
