"""When a run ends early: who pays by the byte, and what a shared server gives; PURE."""

from mptcp_check.exchanges.estimate import wire_bytes
from mptcp_check.model import Exchange

AT_REST_S = 10.0
"""After an exchange, until its connections have ended and were told to the server."""

RESERVE = 0.1
"""Of the cap: what one exchange may need beyond its estimate, as losses are sent again."""


class Meter:
    """Counts what a run has used, and says whether another exchange fits under the cap.

    What was used is the larger of what was captured at the client and what was estimated: a capture
    lags behind the wire.

    Args:
        cap_bytes: On the client's wire, both ways; none allows everything.
        told: Who capped it: the beginning of what is said when it was reached, with a place for
            the cap.
    """

    def __init__(
        self, cap_bytes: int | None, *, told: str = "the cap of {} MB was reached"
    ) -> None:
        self._cap_bytes = cap_bytes
        self._told = told
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
        reached = self._told.format(f"{cap / 1e6:g}")
        return f"{reached} after {self.used_bytes / 1e6:.1f} MB: {_did_not_run(left_count)}"


CAPTURED_AT_MOST = "the {} MB that the server captures of one session were used up"


def in_time(exchange: Exchange, *, left_s: float) -> bool:
    """Say whether an exchange will have ended before a session does, even if it hangs.

    Args:
        exchange: What would run.
        left_s: Until the session ends.
    """
    return left_s >= exchange.deadline_s + AT_REST_S


def out_of_time(left_count: int) -> str:
    """Say what a session's end cost the run."""
    return (
        f"{_did_not_run(left_count)}: the server's time for one session was used up"
        " (--quick, or fewer --apps, take less)"
    )


def _did_not_run(count: int) -> str:
    return f"{count} exchange{'' if count == 1 else 's'} did not run"
