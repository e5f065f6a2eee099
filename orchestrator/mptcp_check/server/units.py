"""The systemd units that come with this package."""

from importlib import resources
from typing import Final

NAMES: Final = (
    "mptcp-check-server.socket",
    "mptcp-check-server.service",
    "mptcp-check-capture.service",
    "mptcp-check-services.service",
)


PROGRAM: Final = "/usr/bin/mptcp-check"
"""Where the units, as they are held, look for this program."""

HIDDEN: Final = ("/home", "/root", "/run/user", "/tmp", "/var/tmp")  # noqa: S108 - none is written to
"""What units with ``ProtectHome`` and ``PrivateTmp`` do not see (systemd.exec(5))."""


def text(name: str, program: str = PROGRAM) -> str:
    """Return a unit by its name.

    Args:
        name: One of `NAMES`.
        program: The absolute path of this program on this computer.
    """
    held = resources.files("mptcp_check.server").joinpath("units", name).read_text()
    return held.replace(f"{PROGRAM} ", f"{program} ")


def hides(program: str) -> bool:
    """Say whether the units could not see a program where it is."""
    return any(program.startswith(f"{folder}/") for folder in HIDDEN)
