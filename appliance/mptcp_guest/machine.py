"""The machine itself: who it is, its clock, and its end."""

import os
import sys
from pathlib import Path

from mptcp_guest import clock, messages, tools
from mptcp_guest.lab import Lab
from mptcp_guest.refusal import RefusalError
from mptcp_guest.waiting import Deadline


def hello(lab: Lab, until: Deadline) -> messages.HelloResult:
    """Return who and what answers."""
    names = os.uname()
    return messages.HelloResult(
        agent_version=messages.VERSION,
        kernel=names.release,
        machine=names.machine,
        python=sys.version.split()[0],
        tools=tools.versions(lab, until),
        work_directory=str(lab.work_directory),
        wall_ns=clock.wall_ns(),
        user_id=os.getuid(),
        mptcp=Path("/proc/sys/net/mptcp").is_dir(),
    )


def read_clock(lab: Lab, arguments: messages.ClockArguments) -> messages.ClockResult:
    """Return the time, after setting it when that was asked for.

    Raises:
        RefusalError: The machine is not the agent's own, or the kernel refuses.
    """
    if "set_wall_ns" in arguments:
        _must_own(lab, "set the clock")
        try:
            clock.set_wall_ns(arguments["set_wall_ns"])
        except (OSError, OverflowError) as error:
            raise RefusalError("failed", f"the clock cannot be set: {error}") from error
    return messages.ClockResult(wall_ns=clock.wall_ns(), monotonic_ns=clock.monotonic_ns())


def arm_watchdog(lab: Lab, arguments: messages.WatchdogArguments) -> messages.WatchdogResult:
    """Watch the host from now on.

    Raises:
        RefusalError: The machine is not the agent's own, or the patience is none.
    """
    _must_own(lab, "watch the host")
    if lab.watchdog is None:
        raise RefusalError("failed", "there is no watchdog process")
    return lab.watchdog.arm(arguments)


def power_off(lab: Lab) -> None:
    """Let the machine end after the answer.

    Raises:
        RefusalError: The machine is not the agent's own.
    """
    _must_own(lab, "power off")
    lab.powering_off = True


def _must_own(lab: Lab, deed: str) -> None:
    if not lab.owns_machine:
        raise RefusalError("bad_arguments", f"this agent may not {deed}: no --owns-machine")
