"""The kernel's settings of a network, read and written where sysctl(8) does it."""

from collections.abc import Iterable, Mapping
from pathlib import Path

ROOT = Path("/proc/sys")


def read(names: Iterable[str]) -> dict[str, str]:
    """Return the settings that this kernel has, in the calling thread's network.

    Raises:
        OSError: One is there and cannot be read.
    """
    found = {}
    for name in names:
        try:
            found[name] = _path(name).read_text().strip()
        except FileNotFoundError:
            continue
    return found


def write(settings: Mapping[str, str]) -> dict[str, str]:
    """Set what this kernel has and return that; one that it does not know is left out.

    Raises:
        OSError: One is there and does not take the value.
    """
    return {name: value for name, value in settings.items() if _set(_path(name), value)}


def _set(path: Path, value: str) -> bool:
    try:
        with path.open("r+") as file:  # never made: the kernel's files are there or not
            file.write(value)
    except FileNotFoundError:
        return False
    return True


def _path(name: str) -> Path:
    """Return where a setting is; PURE.  Dots separate: no interface's name stands in ours."""
    return ROOT.joinpath(*name.split("."))
