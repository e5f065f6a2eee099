"""Every system call that an outbox makes on its folder, in a table, to fail or to die at.

As a program it is told cases on standard input, one JSON object a line, and does each in a child of
its own: an upload from the outbox to a receipt, in which one call fails or the process is killed.
"""

import fcntl
import io
import json
import os
import random
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from mptcp_upload.collector_client import CollectorClient
from mptcp_upload.errors import UploadError
from mptcp_upload.outbox import Entry, Outbox
from mptcp_upload.pace import Pace
from mptcp_upload.sending import deliver

BY_PATH = ("mkdir", "open", "replace", "unlink", "rmdir", "listdir", "scandir")
BY_DESCRIPTOR = ("write", "fsync", "close")

Hook = Callable[[str, str], None]
"""Is told a call's name and its path in the folder, before the call."""


class _Watch:
    """Tells a hook of calls on a folder; what the hook itself does there is not told."""

    def __init__(self, folder: Path, before: Hook) -> None:
        self._folder, self._before = str(folder), before
        self._around = str(folder.parent)
        self._open: dict[int, str] = {}
        self._asking = False

    def by_path(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        """Return the call that tells of itself first."""

        def call(path: object, *rest: Any, **named: Any) -> Any:  # noqa: ANN401 - any call's
            there = self._place(path)
            if there is not None:
                self._ask(name, there)
            done = real(path, *rest, **named)
            if name == "open" and there is not None:
                self._open[done] = there
            return done

        return call

    def by_descriptor(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        """Return the call that tells of itself first, for files that were opened meanwhile."""

        def call(descriptor: int, *rest: Any) -> Any:  # noqa: ANN401 - any call's
            there = self._open.get(descriptor)
            if there is None:
                return real(descriptor, *rest)
            try:
                self._ask(name, there)
            except BaseException:
                if name == "close":  # what fails to be closed is closed (Linux, close(2))
                    real(descriptor)
                raise
            if name == "close":
                del self._open[descriptor]
            if name == "fsync":
                return None  # no test cuts the real power: waiting for the disk shows nothing
            return real(descriptor, *rest)

        return call

    def _ask(self, name: str, path: str) -> None:
        self._asking = True
        try:
            self._before(name, path)
        finally:
            self._asking = False

    def _place(self, path: object) -> str | None:
        text = os.fspath(path) if isinstance(path, str | os.PathLike) else ""
        if self._asking:
            return None
        if text == self._around:
            return "around"
        inside = text == self._folder or text.startswith(f"{self._folder}/")
        return text[len(self._folder) :].lstrip("/") or "." if inside else None


@contextmanager
def watched(folder: Path, before: Hook) -> Iterator[None]:
    """Call a hook before every system call on a folder, what is in it, and the one around it."""
    watch = _Watch(folder, before)
    with (
        mock.patch.multiple(
            os,
            **{name: watch.by_path(name, getattr(os, name)) for name in BY_PATH},
            **{name: watch.by_descriptor(name, getattr(os, name)) for name in BY_DESCRIPTOR},
        ),
        mock.patch.object(fcntl, "flock", watch.by_descriptor("flock", fcntl.flock)),
        mock.patch.object(io, "open", watch.by_path("read", io.open)),
    ):
        yield


class Silence:
    def sent(self, entry: Entry, offset_bytes: int, eta_s: float | None) -> None:
        pass

    def waits(self, entry: Entry, wait_s: float, reason: str) -> None:
        pass


def upload(folder: Path, entry: Entry, bundle: bytes) -> Entry:
    """Put a run into an outbox and send it in two chunks, as the program does."""
    pace = Pace(
        monotonic_ns=lambda: 0,
        sleep=lambda _: None,
        rng=random.Random(1),  # noqa: S311 - waits are no secret
        attempt_count=2,
        chunk_bytes=len(bundle) // 2 + 1,
        at_once=False,
    )
    box = Outbox(folder)
    with box.alone() as mine, CollectorClient(entry.collector) as client:
        if not mine:
            raise UploadError("somebody else holds the outbox")
        there = box.put(entry, bundle)
        return there if there.url else deliver(box, there, client, pace, Silence())


def failing_at(at: int, fail: Callable[[], None]) -> Hook:
    """Return a hook that fails at one call, counted from 0."""
    count = 0

    def before(_name: str, _path: str) -> None:
        nonlocal count
        count += 1
        if count == at + 1:
            fail()

    return before


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _child(case: dict[str, Any]) -> None:
    code = case["errno"]

    def fail() -> None:
        if not code:
            _die()
        raise OSError(code, os.strerror(code), case["folder"])

    folder, entry = Path(case["folder"]), Entry(**case["entry"])
    try:
        with watched(folder, failing_at(case["at"], fail)):
            upload(folder, entry, bytes.fromhex(case["bundle"]))
    except (OSError, UploadError) as e:
        sys.stderr.write(f"{e}\n")
        sys.stderr.flush()
        os._exit(2)
    os._exit(0)


def main() -> None:
    """Do the cases, one child each, and say how each ended."""
    for line in sys.stdin:
        child = os.fork()
        if not child:
            _child(json.loads(line))
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
