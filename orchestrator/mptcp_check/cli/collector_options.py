"""Options that say where runs are uploaded to, and why they may: the same for `run` and `upload`.

Nothing but click is imported here: `run` needs the rest of uploading when it has measured.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from mptcp_check.cli import variables

Command = TypeVar("Command", bound=Callable[..., Any])

COLLECTOR: Final = "MPTCP_CHECK_COLLECTOR"
"""Environment variable: URL of the collector."""
COLLECTOR_KEY: Final = "MPTCP_CHECK_COLLECTOR_KEY"
"""Environment variable: its public key."""
TABLE: Final = "upload"
"""Of the settings' file: what it says holds for both commands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadWish:
    """What was said about uploading a run, before it is measured."""

    no_upload: bool
    collector: str | None
    collector_key: str | None
    consent_file: Path | None
    rate_mbps: float | None = None
    """Cap on what is sent, megabits per second."""

    @property
    def is_said(self) -> bool:
        """Whether there is something that could be wrong."""
        said = self.collector or self.collector_key or self.consent_file
        return bool(said) and not self.no_upload


def upload_rate_option(command: Command) -> Command:
    """Add `--upload-rate`, for a command that does more than uploading."""
    return click.option(
        "--upload-rate",
        type=variables.Number(min=0.01),
        metavar="MBIT/S",
        default=_of_settings("rate"),
        help="The upload takes at most so many Mbit/s.",
    )(command)


def collector_options(command: Command) -> Command:
    """Add `--collector`, `--collector-key` and `--consent`."""
    for option in _OPTIONS:
        command = option(command)
    return command


def _of_settings(parameter: str) -> Callable[[], Any]:
    """Return a default that the settings' table for uploads gives."""

    def said() -> Any:  # noqa: ANN401 - any option's
        context = click.get_current_context(silent=True)
        settings = context.find_root().default_map if context is not None else None
        return ((settings or {}).get(TABLE) or {}).get(parameter)

    return said


_OPTIONS: Final = (
    click.option(
        "--consent",
        "consent_file",
        type=click.Path(path_type=Path, dir_okay=False),
        default=_of_settings("consent_file"),
        help="A file that says what may leave, for where nobody can be asked.",
    ),
    click.option(
        "--collector-key",
        envvar=COLLECTOR_KEY,
        metavar="KEY",
        default=_of_settings("collector_key"),
        help="Its public key; pinned at first use.",
    ),
    click.option(
        "--collector",
        envvar=COLLECTOR,
        metavar="URL",
        default=_of_settings("collector"),
        help="Where runs are uploaded to; remembered.",
    ),
)
