"""Whether a netblock may have another session, and how much of a capture; PURE.

The rules in the order in which they are told: the first that fails is the answer.
"""

from dataclasses import dataclass

from mptcp_check.server.configuration import Configuration
from mptcp_check.server.problem import ProblemError

_NS = 10**9


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """What a netblock has and had in the last hour."""

    open_count: int
    created_count: int
    session_ns: int
    captured_bytes: int
    fetched_bytes: int


def admit(configuration: Configuration, use: Use, *, all_open_count: int) -> None:
    """Let a session be created.

    Args:
        configuration: The caps.
        use: Of the netblock that asks.
        all_open_count: Sessions open at this server.

    Raises:
        ProblemError: A cap is reached; the problem says which.
    """
    caps = configuration.netblocks
    if use.open_count >= caps.sessions_at_once:
        raise ProblemError("too-many-sessions", f"{caps.sessions_at_once} at once are allowed")
    if use.created_count >= caps.sessions_per_hour:
        raise ProblemError("too-many-requests", f"{caps.sessions_per_hour} an hour are allowed")
    if use.session_ns >= caps.session_s_per_hour * _NS:
        raise ProblemError("allowance-used", "seconds of sessions in an hour")
    if all_open_count >= configuration.sessions_at_once:
        raise ProblemError("server-full")


def capture_allowance(configuration: Configuration, use: Use) -> int:
    """Return how many bytes a capture may have: the session's share, or what is left of the hour.

    Raises:
        ProblemError: ``allowance-used``: nothing is left.
    """
    left = configuration.netblocks.captured_bytes_per_hour - use.captured_bytes
    if left <= 0:
        raise ProblemError("allowance-used", "captured bytes in an hour")
    return min(left, configuration.capture.session_bytes)


def fetch(configuration: Configuration, use: Use, *, size_bytes: int) -> None:
    """Let a capture be fetched.

    Raises:
        ProblemError: ``allowance-used``.
    """
    if use.fetched_bytes + size_bytes > configuration.netblocks.fetched_bytes_per_hour:
        raise ProblemError("allowance-used", "fetched bytes in an hour")
