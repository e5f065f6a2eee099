"""Run the tools that set the lab's network up; what they refuse is told with their words."""

from collections.abc import Sequence

from mptcp_check.errors import MachineError
from mptcp_check.machines import process

_TIMEOUT_S = 10.0
_WORDS = 300


def run(argv: Sequence[str], *, stdin: bytes = b"") -> str:
    """Run a program that must succeed and return what it wrote.

    Raises:
        PreflightError: It is not installed.
        MachineError: It ended with another exit code than 0.
    """
    done = process.run(argv, timeout_s=_TIMEOUT_S, stdin=stdin)
    if done.exit_code:
        words = (done.stderr or done.stdout.decode(errors="replace")).strip()
        raise MachineError(
            f"{' '.join(argv)}: exit {done.exit_code}: {words[:_WORDS]}",
            hint="this kernel may lack something; `mptcp-check lab list` says what needs what",
        )
    return done.stdout.decode(errors="replace")


def ip(words: str) -> str:
    """Run iproute2's ``ip``; see `run`."""
    return run(["ip", *words.split()])


def inside(namespace: str, words: str) -> str:
    """Run a command line without quotes in a namespace; see `run`."""
    return run(["ip", "netns", "exec", namespace, *words.split()])
