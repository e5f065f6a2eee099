"""Open sockets inside another network namespace (Linux): a socket stays where it was made."""

import contextlib
import ctypes
import os
from collections.abc import Iterator
from pathlib import Path

_CLONE_NEWNET = 0x40000000
_NAMED = Path("/run/netns")
"""Where ``ip netns add`` keeps names (ip-netns(8))."""
_OWN = Path("/proc/thread-self/ns/net")


@contextlib.contextmanager
def entered(name: str) -> Iterator[None]:
    """Let the calling thread, and no other, be in a named network namespace for a while.

    Args:
        name: As ``ip netns`` lists it.

    Raises:
        OSError: The namespace does not exist, or this needs root.
    """
    home = os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)
    try:
        target = os.open(_NAMED / name, os.O_RDONLY | os.O_CLOEXEC)
        try:
            _set(target)
        finally:
            os.close(target)
        try:
            yield
        finally:
            _set(home)
    finally:
        os.close(home)


def _set(descriptor: int) -> None:
    # os.setns is there from Python 3.12 on.
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, _CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
