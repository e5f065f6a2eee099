"""Run one program and kill it when the process that asked for it is gone, however it went.

Called as a script, with the standard library only, and with a pipe from the owner as standard
input: ``python -I -S keeper.py DESCRIPTORS PROGRAM ARGUMENT...``.  DESCRIPTORS are open files that
the program inherits, ``7,8`` or ``-`` for none.  The owner's death, ``kill -9`` included, closes
the pipe.  On Linux the program also dies with the keeper (prctl(2), PR_SET_PDEATHSIG); elsewhere
the work folder's lock lets the next start find it (`workspace.py`).
"""

import ctypes
import os
import signal
import subprocess
import sys
import threading

PR_SET_PDEATHSIG = 1
"""include/uapi/linux/prctl.h."""


def keep(argv: list[str], descriptors: tuple[int, ...] = ()) -> int:
    """Run ``argv`` until it ends or standard input does; return its exit code."""
    on_linux = sys.platform == "linux"
    libc = ctypes.CDLL(None) if on_linux else None

    def die_with_keeper() -> None:
        if libc is not None:
            libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)

    # preexec_fn is safe here: no other thread exists yet
    child = subprocess.Popen(  # noqa: S603 - a list, no shell
        argv,
        stdin=subprocess.DEVNULL,
        pass_fds=descriptors,
        preexec_fn=die_with_keeper,  # noqa: PLW1509 - no other thread exists yet
    )

    for descriptor in descriptors:
        os.close(descriptor)  # what it stands for ends with the program

    def watch_owner() -> None:
        while os.read(0, 4096):
            pass
        child.kill()

    threading.Thread(target=watch_owner, daemon=True).start()
    return child.wait()


if __name__ == "__main__":
    given = sys.argv[1]
    code = keep(sys.argv[2:], () if given == "-" else tuple(map(int, given.split(","))))
    sys.exit(code if code >= 0 else 128 - code)
