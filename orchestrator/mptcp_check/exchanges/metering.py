"""A cap on what a run sends, for who pays by the byte; PURE."""

from mptcp_check.exchanges.estimate import wire_bytes
from mptcp_check.model import Exchange

RESERVE = 0.1
"""Of the cap: what one exchange may need beyond its estimate, as losses are sent again."""


class Meter:
    """Counts what a run has used, and says whether another exchange fits under the cap.

    What was used is the larger of what was captured at the client and what was estimated: a capture
    lags behind the wire.

    Args:
        cap_bytes: On the client's wire, both ways; none allows everything.
    """

    def __init__(self, cap_bytes: int | None) -> None:
        self._cap_bytes = cap_bytes
        self._estimated_bytes = 0
        self._captured_bytes = 0

    @property
    def used_bytes(self) -> int:
        """What was used so far, rather too much than too little."""
        return max(self._estimated_bytes, self._captured_bytes)

    def seen(self, captured_bytes: int) -> None:
        """Take note of what the client's captures hold by now."""
        self._captured_bytes = captured_bytes

    def allows(self, exchange: Exchange) -> bool:
        """Say whether an exchange fits."""
        if self._cap_bytes is None:
            return True
        return self.used_bytes + wire_bytes(exchange) <= self._cap_bytes * (1 - RESERVE)

    def spend(self, exchange: Exchange) -> None:
        """Count one that is about to run."""
        self._estimated_bytes = self.used_bytes + wire_bytes(exchange)

    def words(self, left_count: int) -> str:
        """Say what the cap cost the run."""
        cap = 0 if self._cap_bytes is None else self._cap_bytes
        plural = "" if left_count == 1 else "s"
        return (
            f"the cap of {cap / 1e6:g} MB was reached after {self.used_bytes / 1e6:.1f} MB:"
            f" {left_count} exchange{plural} did not run"
        )
