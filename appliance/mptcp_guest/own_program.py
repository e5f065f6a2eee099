"""Programs of this package itself, run as processes: a client or a server that nothing else is.

The package may be a folder or the zip archive that was pushed into a machine; either can be
imported from by any Python, so a process of its own needs only to be told where it is.
"""

import os
import sys
from pathlib import Path

import mptcp_guest

WORD = "@own"
"""First word of a command in the contract that means a program of `mptcp_guest.clients`."""


DEBIAN_PYTHON = "/usr/bin/python3"
"""The one that finds libraries from Debian's packages; this process may run under another."""


WITH_LIBRARIES = frozenset({"websocket"})
"""Clients that need one of those."""


def own_python() -> str:
    """Return the Python that this process runs under, if it may start it again.

    Who gave up root's rights may run one in a folder that is root's alone: then Debian's.
    """
    return sys.executable if os.access(sys.executable, os.X_OK) else DEBIAN_PYTHON


def command(module: str, *words: str, python: str = sys.executable) -> list[str]:
    """Return the command that runs a module of this package.

    Args:
        module: Below `mptcp_guest`, with dots.
        words: Its arguments.
        python: Which one runs it.
    """
    root = Path(mptcp_guest.__file__).parent.parent
    how = ["env", f"PYTHONPATH={root}", "PYTHONDONTWRITEBYTECODE=1", python]
    # -P: a client runs in a directory whose files came over the network
    return [*how, "-P", "-m", f"mptcp_guest.{module}", *words]


def resolved(words: list[str]) -> list[str]:
    """Return a command of the contract as one that can be run."""
    if words[0] != WORD:
        return words
    python = DEBIAN_PYTHON if words[1] in WITH_LIBRARIES else sys.executable
    return command(f"clients.{words[1]}", *words[2:], python=python)
