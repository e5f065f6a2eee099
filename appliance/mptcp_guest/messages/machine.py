"""Who a machine is, its clocks, and its end when nobody answers."""

from typing import NotRequired, TypedDict


class HelloResult(TypedDict):
    """Who answers."""

    agent_version: str
    kernel: str
    machine: str
    python: str
    tools: dict[str, str]
    """Package and version, or what the tool says of itself; empty for a tool that is not there."""
    work_directory: str
    wall_ns: int
    user_id: int
    mptcp: bool
    """Whether its kernel has Multipath TCP at all."""


class ClockArguments(TypedDict):
    """Read the clock, or set it first (only an agent that owns its machine does)."""

    set_wall_ns: NotRequired[int]


class ClockResult(TypedDict):
    """The guest's clocks, read one after the other."""

    wall_ns: int
    monotonic_ns: int


class WatchdogArguments(TypedDict):
    """Power off when nothing, not even an empty line, comes for so long.

    Empty lines are signs of life: they are not answered, and heard while a verb is at work.
    """

    within_s: float
    """0 ends the watching."""


class WatchdogResult(TypedDict):
    """The patience that holds now."""

    within_s: float
