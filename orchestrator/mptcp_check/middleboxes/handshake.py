"""The segments of a TCP handshake, told by their flags."""

import enum

from mptcp_check.middleboxes.frame import ACK, RST, SYN, TcpSegment


class Step(enum.Enum):
    """A segment of a handshake; the third one's flags are those of all that follow it."""

    SYN = SYN
    SYN_ACK = SYN | ACK
    ACK = ACK


_STEPS = {step.value: step for step in Step}


def step_of(segment: TcpSegment) -> Step | None:
    """Return which step a segment may be, none for resets and for what has neither flag."""
    return None if segment.flags & RST else _STEPS.get(segment.flags & (SYN | ACK))
