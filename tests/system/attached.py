"""Start `attached_driver.py` in a site's host and talk to it."""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mptcp_check import clock
from system.pretend_site import Site

DRIVER = Path(__file__).with_name("attached_driver.py")
PATIENCE_S = 300


@dataclass(slots=True, kw_only=True)
class Attached:
    """The program, its machine up."""

    process: subprocess.Popen[str]
    first: dict[str, Any]

    def ask(self, do: str, **arguments: object) -> dict[str, Any]:
        """Ask and return the answer: ``result``, or ``error`` with ``hint`` and ``exit_code``."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
        self.process.stdin.flush()
        return _line(self.process)

    def call(self, verb: str, arguments: object) -> Any:  # noqa: ANN401 - of the verb
        answer = self.ask("call", verb=verb, arguments=arguments)
        assert "result" in answer, answer
        return answer["result"]

    def run(self, command: str) -> str:
        answer = self.ask("run", command=command)
        assert "result" in answer, answer
        return str(answer["result"])


@contextlib.contextmanager
def attached(
    site: Site,
    root: Path,
    *,
    bridged: Sequence[str] = (),
    routed: Sequence[str] = (),
    machine: bool = True,
    patience_s: float = 0,
) -> Iterator[Attached]:
    """Start the program and end it in order, unless it was killed."""
    given = {
        "root": str(root),
        "bridged": bridged,
        "routed": routed,
        "machine": machine,
        "patience_s": patience_s,
    }
    command = ["ip", "netns", "exec", site.host, sys.executable, str(DRIVER), json.dumps(given)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:
            yield Attached(process=process, first=_line(process))
            assert process.stdin is not None
            process.stdin.close()
            process.wait()
        finally:
            process.kill()


def eventually(condition: Callable[[], bool]) -> bool:
    """Wait for a condition, and say whether it came."""
    end_ns = clock.monotonic_ns() + PATIENCE_S * 10**9
    while not condition():
        if clock.monotonic_ns() > end_ns:
            return False
        time.sleep(0.05)
    return True


def runs(pid: int) -> bool:
    """Say whether a process is there and no zombie."""
    try:
        return " Z " not in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False


def _line(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, f"the driver ended with {process.wait()}"
    answer: dict[str, Any] = json.loads(line)
    return answer
