"""Where a build works, whom it tells, and what its tools inherit."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """What every step of a build is given."""

    work: Path
    """A folder for what is thrown away, on the file system of the result."""
    progress: Callable[[str], None]
    """Called with one line of information, several times a second at most stages."""
    keep_open: tuple[int, ...] = ()
    """Descriptors for the tools to inherit, see `mptcp_appliance.process.running`."""
