"""Work that this program does itself in the lab's network, without a process for each question.

In an emulated machine a process costs more than what it is asked.  A network namespace belongs to
a thread, so each piece of work has a thread of its own, which enters the namespace before anything
else, starts no other thread and ends with the work: nothing can look at the wrong network.
"""

import ctypes
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

CLONE_NEWNET = 0x4000_0000
"""Of setns(2)."""

NAMESPACES = Path("/run/netns")
"""Where ``ip netns`` keeps them (ip-netns(8))."""

PROC_NET = Path("/proc/thread-self/net")
"""The calling thread's network; ``/proc/net`` is the main thread's (proc(5))."""

T = TypeVar("T")


def inside(namespace: str | None, work: Callable[[], T]) -> T:
    """Do some work in a network namespace and return what it returns.

    Args:
        namespace: By the name that ``ip netns`` knows; none is the machine's own network.
        work: What to do; files below /proc/sys/net and `PROC_NET`, and new sockets, are the
            namespace's.

    Raises:
        OSError: There is no such namespace, or this process may not enter it.
        Exception: Whatever the work raises.
    """
    if namespace is None:
        return work()
    results: list[T] = []
    failures: list[BaseException] = []

    def enter_and_work() -> None:
        try:
            _enter(NAMESPACES / namespace)
            results.append(work())
        except BaseException as error:  # noqa: BLE001 - raised again where it was asked for
            failures.append(error)

    thread = threading.Thread(target=enter_and_work, daemon=True)
    thread.start()
    thread.join()
    if failures:
        raise failures[0]
    return results[0]


def _enter(path: Path) -> None:
    """Move the calling thread into a network namespace: setns(2), which Python has from 3.12."""
    library = ctypes.CDLL(None, use_errno=True)
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if library.setns(descriptor, CLONE_NEWNET) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(path))
    finally:
        os.close(descriptor)
