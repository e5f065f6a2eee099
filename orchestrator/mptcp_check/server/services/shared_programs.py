"""All services that many sessions may share at once."""

from collections.abc import Mapping
from typing import Final

from mptcp_guest.serving import shared
from mptcp_guest.serving.sharing import Shared

SHARED: Final[Mapping[str, Shared]] = {**shared.SHARED}
"""By service."""
