"""Play a matrix in several sandboxes at once; an interruption keeps what was played."""

import platform
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from mptcp_check import __version__, clock
from mptcp_check.analysis.diagnose import RULES_VERSION
from mptcp_check.errors import MachineError, MptcpCheckError
from mptcp_check.lab.case import Case
from mptcp_check.lab.matrix import Scored, score
from mptcp_check.lab.sandbox import Sandbox, Way

_LOOK_S: Final = 0.2
_ATTEMPTS: Final = 2
"""A case whose sandbox failed, or whose captures lost packets, is played once more."""


def play(
    cases: Sequence[Case],
    *,
    way: Way,
    jobs: int,
    keep: Path | None,
    began: Callable[[Case], None] = lambda _: None,
) -> Iterator[Scored]:
    """Give the answers as they come; stop asking for more and every sandbox ends.

    Args:
        cases: What to play.
        way: From `sandbox.required`.
        jobs: How many sandboxes play at once.
        keep: A folder for each case's captures, by the case's number; none keeps nothing.
        began: Told of every case when it begins, from several threads.
    """
    waiting: queue.SimpleQueue[tuple[int, Case] | None] = queue.SimpleQueue()
    for numbered in enumerate(cases):
        waiting.put(numbered)
    for _ in range(jobs):
        waiting.put(None)
    done: queue.SimpleQueue[Scored] = queue.SimpleQueue()
    workers = [
        _Worker(way=way, waiting=waiting, done=done, keep=keep, began=began)
        for _ in range(min(jobs, len(cases)))
    ]
    with ExitStack() as stack:
        for worker in workers:
            stack.callback(worker.end)
            worker.thread.start()
        left_count = len(cases)
        while left_count:
            try:
                yield done.get(timeout=_LOOK_S)
                left_count -= 1
            except queue.Empty:
                if not any(worker.thread.is_alive() for worker in workers) and done.empty():
                    raise MachineError("the matrix ended before its cases did") from None


def about(started_ns: int) -> dict[str, Any]:
    """Return what a matrix's document says of its making."""
    return {
        "tool_version": __version__,
        "rules_version": RULES_VERSION,
        "kernel": platform.release(),
        "started": clock.utc_text(started_ns),
        "duration_ns": clock.wall_ns() - started_ns,
    }


class _Worker:
    """One thread with one sandbox at a time."""

    def __init__(
        self,
        *,
        way: Way,
        waiting: "queue.SimpleQueue[tuple[int, Case] | None]",
        done: "queue.SimpleQueue[Scored]",
        keep: Path | None,
        began: Callable[[Case], None],
    ) -> None:
        self._way, self._waiting, self._done = way, waiting, done
        self._keep, self._began = keep, began
        self._ending = threading.Event()
        self._sandbox: Sandbox | None = None
        self.thread = threading.Thread(target=self._run, name="matrix", daemon=True)

    def end(self) -> None:
        """End the sandbox, whatever it is doing, and the thread with it."""
        self._ending.set()
        if self._sandbox is not None:
            self._sandbox.close()
        if self.thread.ident is not None:
            self.thread.join()

    def _run(self) -> None:
        while not self._ending.is_set() and (numbered := self._waiting.get()) is not None:
            number, case = numbered
            self._began(case)
            result = self._result(number, case)
            if not self._ending.is_set():
                self._done.put(score(case, result))
        if self._sandbox is not None:
            self._sandbox.close()

    def _result(self, number: int, case: Case) -> dict[str, Any]:
        said = ""
        for attempt in range(_ATTEMPTS):
            place = f"{number:04d}-{case.name.partition(':')[0]}" + "-again" * attempt
            keep = None if self._keep is None else str(self._keep / place)
            try:
                if self._sandbox is None:
                    self._sandbox = Sandbox(self._way)
                request = {"do": "case", "case": case.as_json(), "keep": keep}
                result: dict[str, Any] = self._sandbox.result(request)
            except MptcpCheckError as error:
                said = error.message
                if self._ending.is_set():
                    break
                if self._sandbox is not None:
                    self._sandbox.close()
                    self._sandbox = None
            else:
                if not result["losses"]:
                    return result
                said = f"the captures are not whole: {'; '.join(result['losses'])}"
        return {"error": said}
