"""The kernel's counters of the lab's namespace, and its coming to rest between exchanges."""

import json

from mptcp_guest import clock, messages
from mptcp_guest.lab import Lab
from mptcp_guest.refusal import RefusalError
from mptcp_guest.waiting import Deadline

QUIET_STATES = frozenset({"LISTEN", "TIME-WAIT", "UNCONN"})
"""States in which a socket sends nothing by itself, as ss names them."""

LEFT_LIMIT = 50


def read(lab: Lab, until: Deadline) -> messages.CountersResult:
    """Return every counter, zeros too.

    Raises:
        RefusalError: There is no lab, or nstat fails.
    """
    # absolute values, without nstat's own history file: two runs must not share a memory
    text = lab.succeed(lab.inside(["nstat", "-a", "-s", "-z", "--json"]), until)
    return messages.CountersResult(time_ns=clock.wall_ns(), counters=parse(text))


def settle(lab: Lab, arguments: messages.SettleArguments, until: Deadline) -> messages.SettleResult:
    """Wait until nothing is left that could still send.

    Raises:
        RefusalError: There is no lab, or ss fails.
    """
    left: list[str] = []

    def quiet() -> bool:
        text = lab.succeed(lab.inside(["ss", "-HOnatM"]), until)
        left[:] = busy(text, frozenset(arguments.get("ports", ())))
        return not left

    reached = lab.stop.wait_until(quiet, until.earlier(arguments["within_s"]))
    return messages.SettleResult(quiet=reached, left=left[:LEFT_LIMIT])


def parse(text: str) -> dict[str, int]:
    """Return the counters in nstat's JSON; PURE.

    Raises:
        RefusalError: That is no answer of nstat's.
    """
    try:
        counters = json.loads(text)["kernel"]
        return {str(name): int(value) for name, value in counters.items()}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise RefusalError("failed", f"nstat wrote {text[:80]!r}") from error


def busy(text: str, ports: frozenset[int] = frozenset()) -> list[str]:
    """Return the lines of ``ss -HOnatM`` whose sockets are not at rest; PURE.

    Args:
        text: What ss wrote.
        ports: Only sockets with one of them at either end; all when there are none.
    """
    rows = [(line.split(), line.strip()) for line in text.splitlines()]
    return [
        line
        for words, line in rows
        if len(words) > 1 and words[1] not in QUIET_STATES and _concerns(words, ports)
    ]


def _concerns(words: list[str], ports: frozenset[int]) -> bool:
    ends = [word.rpartition(":")[2] for word in words[4:6]]
    return not ports or any(end.isdigit() and int(end) in ports for end in ends)
