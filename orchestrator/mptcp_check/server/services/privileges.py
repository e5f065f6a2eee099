"""With how few rights a server program is started."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

PORTS: Final = "net_bind_service"
"""For those below 1024: all of them may have one."""

NUMBERS: Final = {"setgid": 6, "setuid": 7, PORTS: 10, "sys_chroot": 18}
"""linux/capability.h."""


def held(status: str) -> frozenset[str]:
    """Return which of these a process may have, by its ``/proc/PID/status``; PURE."""
    row = next((row for row in status.splitlines() if row.startswith("CapPrm:")), "CapPrm: 0")
    bits = int(row.split()[1], 16)
    return frozenset(name for name, number in NUMBERS.items() if bits >> number & 1)


def words(wanted: Iterable[str], held_: frozenset[str], file_bytes: int) -> list[str]:
    """Return what stands before a program's command; PURE.

    Args:
        wanted: Capabilities besides `PORTS`.
        held_: Those that there are to give.
        file_bytes: The largest file that it may write.
    """
    kept = "".join(f",+{name}" for name in sorted({PORTS, *wanted} & held_))
    return [
        *("prlimit", f"--fsize={file_bytes}", "--"),
        *("setpriv", "--inh-caps", f"-all{kept}", "--ambient-caps", f"-all{kept}", "--"),
    ]


def lowered(wanted: Iterable[str], file_bytes: int) -> list[str]:
    """Return what stands before the command of a program that this process starts."""
    return words(wanted, held(Path("/proc/self/status").read_text()), file_bytes)
