"""One answer of the doctor, and what is asked."""

import enum
from dataclasses import dataclass

from mptcp_check.machines.wishes import ServerWish, SessionWish
from mptcp_check.settings import Places


class Status(enum.StrEnum):
    """How a check ended."""

    PASS = "PASS"  # noqa: S105 - not a password
    WARN = "WARN"
    FAIL = "FAIL"


class Section(enum.StrEnum):
    """Where a check belongs, for people."""

    COMPUTER = "This computer"
    MACHINES = "Virtual machines"
    NETWORK = "Networks"
    SERVER = "Measurement server"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One answer."""

    name: str
    status: Status
    detail: str
    advice: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What the user wants to do, as far as checks depend on it."""

    places: Places
    interfaces: tuple[str, ...] = ()
    """Named by the user; then the main job needs them."""
    routed: bool = False
    """One of them shall be routed, and so all are."""
    server: ServerWish | SessionWish | None = None
    """The measurement server; none when none is configured: then nobody is asked."""

    @property
    def needs_network(self) -> bool:
        """Say whether the main job leaves this computer."""
        return bool(self.interfaces or self.server)
