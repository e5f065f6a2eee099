"""The systemd units that come with this package."""

from importlib import resources
from typing import Final

NAMES: Final = (
    "mptcp-check-server.socket",
    "mptcp-check-server.service",
    "mptcp-check-capture.service",
    "mptcp-check-services.service",
)


def text(name: str) -> str:
    """Return a unit by its name."""
    return resources.files("mptcp_check.server").joinpath("units", name).read_text()
