"""How a run tells its caller what it is doing; the caller decides what people see of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from mptcp_check.model import Exchange


@dataclass(frozen=True, slots=True, kw_only=True)
class Glimpse:
    """What is known of an exchange as soon as it ended, before any packet was looked at."""

    arrived: bool
    """The application got all the bytes that were sent, unchanged."""
    over_mptcp: bool
    """The kernels' counters of both sides prove it."""
    subflow_count: int
    """Of the connection with the most."""
    duration_ns: int
    trouble: str
    """In a few words; empty when there was none."""
    attempt: int = 1
    """Which try it was."""


class Watch(Protocol):
    """The caller's side of a run in progress."""

    def step(self, text: str) -> None:
        """Say that another stage began; ``text`` names it for people."""

    def detail(self, text: str) -> None:
        """Say what the present stage is at; may come hundreds of times."""

    def planned(self, exchanges: Sequence[Exchange]) -> None:
        """Say which exchanges will follow."""

    def began(self, exchange: Exchange) -> None:
        """Say that an exchange runs now."""

    def ended(self, exchange: Exchange, glimpse: Glimpse) -> None:
        """Say how it looked at its end; the verdict follows from the packets."""
