"""Upstream's selftests of Multipath TCP: which ones accept an image, and what they said.

They lie in the image ``selftest``, below `mptcp_appliance.plan.SELFTESTS`, from the same source as
its kernel. Nobody of this project wrote them. Each script ends with its checks in KTAP
(Documentation/dev-tools/ktap.rst of the Linux kernel)::

    TAP version 13
    1..2
    ok 1 - diag: no msk on netns creation # time=62ms
    not ok 2 - diag: after MPC handshake # time=1094ms
"""

import enum
import re
import shlex
from dataclasses import dataclass

from mptcp_appliance import plan

IMAGE = "selftest"
"""Name of the image that has them."""

FOLDER = f"/{plan.SELFTESTS}/net/mptcp"

_LINE = re.compile(r"(not )?ok (\d+)(?: - | )([^#]*?)\s*(?:#\s*(.*?)\s*)?")
_PLAN = re.compile(r"1\.\.(\d+)")
_TIME = re.compile(r"(?:^|\s)time=\d+ms$")
_SKIPPED_AS_A_WHOLE = 4
"""Exit status of a kselftest that could not run, ``KSFT_SKIP``."""

_TAIL_LINES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """One script and what it is told."""

    name: str
    arguments: tuple[str, ...] = ()
    deadline_s: int
    """Many times what it takes under emulation on an idle computer; the guest ends it then."""

    @property
    def command(self) -> str:
        """The shell line that runs it in the image; both its outputs, in order."""
        limit = ["timeout", "--kill-after=10", str(self.deadline_s)]
        words = shlex.join([*limit, "bash", f"./{self.name}.sh", *self.arguments])
        return f"cd {FOLDER} && exec {words} 2>&1 </dev/null"


SUITES = (
    Suite(name="diag", deadline_s=600),
    Suite(name="pm_netlink", deadline_s=600),
    Suite(name="mptcp_sockopt", deadline_s=600),
    # subflows and their announcement by the peer; the whole script takes most of an hour
    Suite(name="mptcp_join", arguments=("-f", "-s"), deadline_s=1200),
)
"""The suites that accept an image, in their order."""


class Outcome(enum.StrEnum):
    """How a check ended."""

    PASSED = "passed"
    SKIPPED = "skipped"
    """It says itself that it cannot run here: a tool of the image is older than the check."""
    IGNORED = "ignored"
    """It failed, and upstream knows it as unsteady."""
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One check of a suite."""

    suite: str
    name: str
    outcome: Outcome
    detail: str
    """What else it said; for people."""

    @property
    def ok(self) -> bool:
        """Whether it does not speak against the image."""
        return self.outcome is not Outcome.FAILED


def parse(suite: str, said: str, *, exit_status: int) -> tuple[Check, ...]:
    """Return the checks of a script's output.

    A script that ended without its checks, with fewer than it announced, or with a status that
    its checks do not explain gives one more check that failed: silence is never health.

    Args:
        suite: Its name.
        said: All that it wrote; whatever it is.
        exit_status: How it ended.
    """
    checks = []
    announced = None
    for line in said.splitlines():
        found = _LINE.fullmatch(line)
        if counted := _PLAN.fullmatch(line):
            announced = int(counted[1])
        elif found is not None:
            checks.append(_check(suite, found))
    trouble = _trouble(checks, announced, exit_status)
    if trouble:
        last = [line for line in said.splitlines() if line.strip()][-_TAIL_LINES:]
        checks.append(
            Check(
                suite=suite,
                name="the script as a whole",
                outcome=Outcome.FAILED,
                detail=f"{trouble}; its last words: {' | '.join(last) or 'none'}",
            )
        )
    return tuple(checks)


def _check(suite: str, found: re.Match[str]) -> Check:
    directive = _TIME.sub("", found[4] or "")
    word = directive.split(maxsplit=1)[0].upper() if directive else ""
    if found[1]:
        outcome = Outcome.FAILED
    else:
        outcome = {"SKIP": Outcome.SKIPPED, "IGNORE": Outcome.IGNORED}.get(word, Outcome.PASSED)
    return Check(
        suite=suite,
        name=found[3].removeprefix(f"{suite}: "),
        outcome=outcome,
        detail=directive,
    )


def _trouble(checks: list[Check], announced: int | None, exit_status: int) -> str:
    """Return what is wrong with a script's output as a whole, empty if nothing is."""
    if exit_status == _SKIPPED_AS_A_WHOLE and not checks:
        return "it could not run"
    if announced is None:
        return f"it ended with {exit_status} before it told its checks"
    if announced != len(checks):
        return f"it announced {announced} checks and told {len(checks)}"
    if exit_status != 0 and all(check.ok for check in checks):
        return f"it ended with {exit_status}, though no check failed"
    return ""
