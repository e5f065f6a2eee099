"""The kernel's counters of the lab's namespace, and its coming to rest between exchanges."""

from collections.abc import Iterator, Mapping
from itertools import pairwise

from mptcp_guest import clock, messages
from mptcp_guest.inside import PROC_NET
from mptcp_guest.lab import Lab
from mptcp_guest.waiting import Deadline

QUIET_STATES = frozenset({"LISTEN", "TIME-WAIT", "UNCONN"})
"""States in which a socket sends nothing by itself, as ss names them."""

LEFT_LIMIT = 50

FILES = ("netstat", "snmp", "snmp6")
"""The kernel's tables of one network (proc_net(5))."""

STATES = frozenset(
    {"IpForwarding", "IpDefaultTTL"}
    | {"TcpRtoAlgorithm", "TcpRtoMin", "TcpRtoMax", "TcpMaxConn", "TcpCurrEstab"}
)
"""What stands among the counters and is none; nstat leaves it out too."""


def read(lab: Lab) -> messages.CountersResult:
    """Return every counter, zeros too, by the names that nstat gives them.

    Raises:
        RefusalError: There is no lab.
    """
    found = lab.within(lambda: {name: _text(name) for name in FILES})
    return messages.CountersResult(time_ns=clock.wall_ns(), counters=parse(found))


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


def parse(texts: Mapping[str, str]) -> dict[str, int]:
    """Return the counters in the kernel's tables, as ``nstat -asz`` names them; PURE.

    A line that is none of a table is left out.

    Args:
        texts: Of each of `FILES`.
    """
    found = {
        **dict(_columns(texts["netstat"])),
        **dict(_columns(texts["snmp"])),
        **dict(_rows(texts["snmp6"])),
    }
    return {name: value for name, value in found.items() if name not in STATES}


def _columns(text: str) -> Iterator[tuple[str, int]]:
    """Read pairs of lines, ``Tcp: InSegs OutSegs`` above ``Tcp: 5 7``; PURE."""
    for names, values in pairwise(line.split() for line in text.splitlines()):
        if names and names[:1] == values[:1]:
            for name, value in zip(names[1:], values[1:], strict=False):
                if _is_number(value) and not _is_number(name):
                    yield names[0].removesuffix(":") + name, int(value)


def _rows(text: str) -> Iterator[tuple[str, int]]:
    """Read lines of a name and a number; PURE."""
    for words in map(str.split, text.splitlines()):
        if len(words) == 2 and _is_number(words[1]):  # noqa: PLR2004 - a name, a number
            yield words[0], int(words[1])


def _is_number(word: str) -> bool:
    return word.removeprefix("-").isdecimal() and word.isascii()


def _text(name: str) -> str:
    try:
        return (PROC_NET / name).read_text()
    except FileNotFoundError:  # snmp6 of a kernel without IPv6
        return ""


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
