"""Run a program that sees another file in the place of one of the machine's.

As ``unshare --mount`` and ``mount --bind`` would: the mount is in a namespace that nobody else
sees and that goes with the program (mount_namespaces(7)).

    python -m mptcp_guest.serving.private_files FILE=INSTEAD_OF PROGRAM [ARGUMENT ...]
"""

import ctypes
import os
import sys

CLONE_NEWNS = 0x00020000
MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 1 << 18
"""linux/sched.h and linux/mount.h."""


def hide(file: str, instead_of: str) -> None:
    """Put a file in the place of another, for this process and its children only.

    Raises:
        OSError: The kernel refuses.
    """
    library = ctypes.CDLL(None, use_errno=True)
    steps = (
        (library.unshare, (CLONE_NEWNS,)),
        (library.mount, (b"none", b"/", None, MS_REC | MS_PRIVATE, None)),
        (library.mount, (file.encode(), instead_of.encode(), None, MS_BIND, None)),
    )
    for call, arguments in steps:
        if call(*arguments) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), instead_of)


def main(words: list[str]) -> None:
    """Hide a file and become the program."""
    file, _, instead_of = words[0].partition("=")
    hide(file, instead_of)
    for name in ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE"):
        os.environ.pop(name, None)
    os.execv(words[1], words[1:])  # noqa: S606 - becomes the server that `ssh` names


if __name__ == "__main__":
    main(sys.argv[1:])
