"""Run the tools of a build: the only place that starts processes."""

import contextlib
import os
import selectors
import shutil
import signal
import subprocess
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import IO

from mptcp_appliance.errors import ImageError

_PACKAGES = {
    "mmdebstrap": "mmdebstrap",
    "mksquashfs": "squashfs-tools",
    "dpkg-deb": "dpkg",
    "mkfs.vfat": "dosfstools",
    "mmd": "mtools",
    "mcopy": "mtools",
    "syslinux": "syslinux",
    "qemu-img": "qemu-utils",
    "aarch64-linux-gnu-gcc": "gcc-aarch64-linux-gnu libc6-dev-arm64-cross",
    "bc": "bc",
    "bison": "bison",
    "flex": "flex",
    "gcc": "gcc libc6-dev",
    "make": "make",
    "tar": "tar",
    "x86_64-linux-gnu-gcc": "gcc-x86-64-linux-gnu libc6-dev-amd64-cross",
    "xz": "xz-utils",
    "zstd": "zstd",
}
"""Debian's packages for each tool."""

_ERROR_SIGNS = ("E:", "W: Failed", "Err:", "FATAL")
_ERROR_WORDS = ("No space left", ": error:", ": fatal error:")
"""A line that says why a tool fails is known by its beginning, or by words in it (gcc)."""

_HINTS = (
    (("No space left on device", "not enough free space"), "free some disk space and try again"),
    (
        ("Could not resolve", "Temporary failure", "Unable to connect", "Could not connect",
         "Failed to fetch", "failed to download"),
        "check the network and this machine's apt sources, then try again",
    ),
    (
        ("can neither be executed natively",),
        "to install another architecture's packages: apt install qemu-user-static binfmt-support",
    ),
    (
        ("newuidmap", "newgidmap", "subuid", "unable to pick chroot mode"),
        ("without root, mmdebstrap needs: sudo apt install uidmap; unless /etc/subuid has you: "
        "sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 $USER"),
    ),
)  # fmt: skip
"""What tools say when they fail, and the next step."""

_WAIT_S = 5.0
"""How long a tool may take to clean up after itself."""

_TAIL_LINES = 4
_ERROR_LINES = 2

SILENCE_S = 1.0
"""After how long without news somebody who waits wants to hear that it still works."""


def require(*tools: str) -> None:
    """Raise an `ImageError` that names the packages to install if a tool is missing."""
    missing = [tool for tool in tools if shutil.which(tool) is None]
    if missing:
        packages = " ".join(dict.fromkeys(_PACKAGES[tool] for tool in missing))
        raise ImageError(
            f"building an image needs {', '.join(missing)}", hint=f"run: apt install {packages}"
        )


@contextlib.contextmanager
def running(
    arguments: Sequence[str],
    *,
    stdin: int = subprocess.DEVNULL,
    stdout: int | IO[bytes] = subprocess.PIPE,
    stderr: int | None = None,
    environment: Mapping[str, str] | None = None,
    keep_open: Sequence[int] = (),
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a tool in a process group of its own and see to its end, whatever happens.

    Args:
        arguments: The tool and what it is told.
        stdin: As for `subprocess.Popen`.
        stdout: As for `subprocess.Popen`.
        stderr: As for `subprocess.Popen`.
        environment: Added to this process's.
        keep_open: Descriptors that the tool inherits: with the one of a lock, the lock
            lasts until the tool's last child is gone.
    """
    process = subprocess.Popen(  # noqa: S603 - lists of fixed tools, no shell
        arguments,
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        env={**os.environ, "LC_ALL": "C.UTF-8", **(environment or {})},
        pass_fds=keep_open,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask a tool to end, for it cleans up after a polite signal; then end what is left."""
    if process.poll() is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_WAIT_S)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def run(
    arguments: Sequence[str],
    *,
    on_line: Callable[[str], None],
    on_silence: Callable[[], None],
    stdin_text: str | None = None,
    environment: Mapping[str, str] | None = None,
    keep_open: Sequence[int] = (),
) -> None:
    """Run a tool to its end, and hand over each line that it writes as it comes.

    Args:
        arguments: The tool and what it is told.
        on_line: Called with each line of both its outputs.
        on_silence: Called whenever it has written nothing for `SILENCE_S`.
        stdin_text: At most a pipe's buffer, 64 KiB.
        environment: Added to this process's.
        keep_open: See `running`.

    Raises:
        ImageError: The tool failed; the message has its last words.
    """
    last: deque[str] = deque(maxlen=_TAIL_LINES)
    with running(
        arguments,
        stdin=subprocess.DEVNULL if stdin_text is None else subprocess.PIPE,
        stderr=subprocess.STDOUT,
        environment=environment,
        keep_open=keep_open,
    ) as process:
        if process.stdin is not None and stdin_text is not None:
            process.stdin.write(stdin_text.encode())
            process.stdin.close()
        errors: list[str] = []
        for line in _lines(output(process), on_silence):
            last.append(line)
            if line.startswith(_ERROR_SIGNS) or any(word in line for word in _ERROR_WORDS):
                errors.append(line)
            on_line(line)
        if process.wait() != 0:
            telling = [line for line in errors if _hint(line)][:1]
            words = telling or errors[-_ERROR_LINES:] or list(last)
            raise failed(_tool(arguments), process.returncode, words)


def succeeds(arguments: Sequence[str]) -> bool:
    """Return whether a tool is there and ends well; what it says is not looked at."""
    if shutil.which(arguments[0]) is None:
        return False
    done = subprocess.run(  # noqa: S603 - lists of fixed tools, no shell
        arguments, stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    return done.returncode == 0


def _lines(stream: IO[bytes], on_silence: Callable[[], None]) -> Iterator[str]:
    """Yield the lines of a pipe as they come; the last one may lack its end."""
    rest = b""
    with selectors.DefaultSelector() as selector:
        selector.register(stream, selectors.EVENT_READ)
        while True:
            if not selector.select(SILENCE_S):
                on_silence()
                continue
            chunk = os.read(stream.fileno(), 1 << 16)
            *whole, rest = (rest + chunk).split(b"\n")
            for line in (*whole, *([rest] if rest and not chunk else [])):
                yield line.decode(errors="replace").rstrip()
            if not chunk:
                return


def wait(process: subprocess.Popen[bytes], *, on_silence: Callable[[], None]) -> int:
    """Wait for a process, and return its status; calls `on_silence` every `SILENCE_S`."""
    while True:
        try:
            return process.wait(SILENCE_S)
        except subprocess.TimeoutExpired:
            on_silence()


def output(process: subprocess.Popen[bytes]) -> IO[bytes]:
    """Return the stream of a process that was started with a pipe for its output."""
    if process.stdout is None:
        raise ValueError("the process was started without a pipe")
    return process.stdout


def _tool(arguments: Sequence[str]) -> str:
    """Return what a command really runs, past what prepares the ground for it."""
    return next((word for word in arguments if word in _PACKAGES), arguments[0])


def failed(tool: str, status: int, words: Sequence[str]) -> ImageError:
    """Return the error for a tool that ended with `status` after those last words."""
    said = "; ".join(words) or "it said nothing"
    return ImageError(f"{tool} failed (status {status}): {said}", hint=_hint(said))


def _hint(said: str) -> str:
    """Return the next step for what a tool said, empty if it is not known."""
    return next((hint for signs, hint in _HINTS if any(sign in said for sign in signs)), "")
