"""How far the clocks of the two capturing machines are apart."""

from dataclasses import dataclass

from mptcp_check.model import Side


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockOffset:
    """How far the server's clock is ahead of the client's: somewhere between two bounds."""

    low_ns: int
    high_ns: int

    @property
    def middle_ns(self) -> int:
        """The best guess: the true value, if both ways take the same time."""
        return (self.low_ns + self.high_ns) // 2

    def sent_before(self, sent_ns: int, sender: Side, received_ns: int) -> bool:
        """Say whether a segment sent then can have been received then, by both clocks.

        Args:
            sent_ns: Time by the sender's clock.
            sender: Whose clock that is.
            received_ns: Time by the other end's clock.
        """
        return received_ns - sent_ns >= self.least_difference_ns(sender)

    def least_difference_ns(self, sender: Side) -> int:
        """Return the least difference of the clock readings of a segment received and sent."""
        return self.low_ns if sender is Side.CLIENT else -self.high_ns

    def most_difference_ns(self, sender: Side) -> int:
        """Return the difference above which a segment surely spent time on the way."""
        return self.high_ns if sender is Side.CLIENT else -self.low_ns
