"""A program that reads hostile bytes: no network, no processes to see, and limits on the rest.

`unshare` (util-linux) gives it a network of its own without any interface, and makes it die with
us; `prlimit` bounds its memory, its processor time and its files, of which it can write none.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, Final

from mptcp_check.errors import PreflightError
from mptcp_collector.configuration import Analysis

ANSWER_BYTES_LIMIT: Final = 64 << 20
NEEDED: Final = ("prlimit", "unshare")
_DESCRIPTORS: Final = 64
_STARTING_S: Final = 60
"""A loaded computer may take that long before the program reads its first byte."""


class SandboxError(Exception):
    """The program did not answer; the word says why."""

    def __init__(self, word: str, because: str) -> None:
        super().__init__(because)
        self.word = word


def preflight() -> None:
    """See that there can be a sandbox: nothing is judged without one.

    Raises:
        PreflightError: A program is missing, or the kernel lets nobody have namespaces.
    """
    missing = [name for name in NEEDED if shutil.which(name) is None]
    if missing:
        raise PreflightError(
            f"the sandbox needs {', '.join(missing)}", hint="apt-get install util-linux"
        )
    done = subprocess.run(  # noqa: S603 - a fixed list
        [*_namespaces(), "true"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=_STARTING_S,
        check=False,
    )
    if done.returncode:
        raise PreflightError(
            "the sandbox cannot be made: this user may have no namespaces",
            hint="allow user namespaces, or set analysis.enabled = false",
        )


def answer(
    module: str, arguments: Sequence[str], given: Sequence[BinaryIO], limits: Analysis
) -> bytes:
    """Run a module of ours over some bytes and return what it says.

    Args:
        module: Its name.
        arguments: What it is told; everybody on this computer can read it.
        given: Its standard input: files, one after the other.
        limits: What it may use.

    Raises:
        SandboxError: ``analysis_timeout``, ``analysis_failed`` or ``analysis_too_large``.
    """
    command = [
        *_namespaces(),
        *("prlimit", f"--as={limits.memory_bytes}", f"--cpu={limits.seconds}"),
        *("--fsize=0", f"--nofile={_DESCRIPTORS}", "--core=0", "--"),
        *(sys.executable, "-B", "-m", module, *arguments),
    ]
    with tempfile.TemporaryFile() as copy, tempfile.TemporaryDirectory() as empty:
        # an object store's file is no descriptor: a copy is
        for one in given:
            shutil.copyfileobj(one, copy)
        copy.seek(0)
        process = subprocess.Popen(  # noqa: S603 - a list of ours
            command,
            stdin=copy,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=empty,
            env=_environment(Path(empty)),
        )
        late = threading.Timer(limits.seconds + _STARTING_S, process.kill)
        late.start()
        try:
            said = process.stdout.read(ANSWER_BYTES_LIMIT + 1) if process.stdout else b""
            # it may not say more, and then waits for ever
            in_time = not late.finished.is_set()
            if len(said) > ANSWER_BYTES_LIMIT:
                process.kill()
            process.wait()
        finally:
            late.cancel()
            process.kill()
            process.wait()
            if process.stdout:
                process.stdout.close()
    if len(said) > ANSWER_BYTES_LIMIT:
        raise SandboxError("analysis_too_large", f"{ANSWER_BYTES_LIMIT} bytes are allowed")
    if not in_time:
        raise SandboxError("analysis_timeout", f"{limits.seconds} s are allowed")
    if process.returncode:
        raise SandboxError("analysis_failed", f"it ended with status {process.returncode}")
    return said


def _namespaces() -> list[str]:
    own_user = [] if os.geteuid() == 0 else ["--map-current-user"]
    return ["unshare", *own_user, "--net", "--ipc", "--pid", "--fork", "--kill-child", "--"]


def _environment(empty: Path) -> dict[str, str]:
    """Return an environment without secrets: only what finds our modules and compiled kernels."""
    kept = {
        name: os.environ[name] for name in ("PATH", "HOME", "XDG_CACHE_HOME") if name in os.environ
    }
    return {
        **kept,
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "TMPDIR": str(empty),
        "OPENBLAS_NUM_THREADS": "1",
    }
