"""The kernel's Multipath TCP counters, as /proc/net/netstat shows them."""

from itertools import pairwise
from pathlib import Path
from typing import Final

NETSTAT: Final = Path("/proc/self/net/netstat")
PREFIX: Final = "MPTcpExt"


def read(path: Path = NETSTAT) -> dict[str, int]:
    """Return the counters of this network namespace; empty where the kernel has none."""
    try:
        return parse(path.read_text())
    except (OSError, UnicodeDecodeError):
        return {}


def parse(text: str) -> dict[str, int]:
    """Return the ``MPTcpExt`` counters by their names without that prefix; PURE, never raises.

    The file has pairs of lines, names and then numbers (proc_net_netstat(5)).
    """
    lines = [line.split() for line in text.splitlines()]
    for names, numbers in pairwise(lines):
        if len(names) == len(numbers) > 1 and names[0] == numbers[0] == f"{PREFIX}:":
            pairs = zip(names[1:], numbers[1:], strict=True)
            return {name: int(n) for name, n in pairs if n.lstrip("-").isdecimal()}
    return {}


def grown(before: dict[str, int], now: dict[str, int]) -> dict[str, int]:
    """Return what was counted in between; counters that did not move are left out; PURE.

    A counter that went back was reset, by a reboot: what it says now was counted since.
    """
    differences = {name: n - before.get(name, 0) for name, n in now.items()}
    return {
        name: difference if difference > 0 else now[name]
        for name, difference in differences.items()
        if difference
    }
