"""A session as the server knows it."""

import enum
from dataclasses import dataclass


class End(enum.Enum):
    """Why a session is over."""

    OPEN = "open"
    """It is not."""
    FINISHED = "finished"
    """Its user said so."""
    EXPIRED = "expired"
    """Its time ran out: its user never said anything."""


class CaptureState(enum.Enum):
    """How far a session's capture is."""

    NONE = "none"
    RUNNING = "running"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One run's stay at this server; what the database holds of it."""

    id: str
    run_id: str
    nonce: str
    """32 hexadecimal digits; `marker` is made of it."""
    netblock: str
    created_ns: int
    expires_ns: int
    """When it ends by itself."""
    collect_until_ns: int
    """Until when its captures can be fetched, and its ticket holds."""
    ended_ns: int | None
    end: End
    capture: CaptureState
    kernel_counters: str
    """Multipath TCP counters of the kernel when it began: a JSON object."""
    alone: bool
    """Whether no other session was open at any time while this one was."""

    @property
    def open(self) -> bool:
        """Whether it still runs."""
        return self.end is End.OPEN
