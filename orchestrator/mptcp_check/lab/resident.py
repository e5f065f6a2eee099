"""The sandbox's inside: process 1 of its namespaces; requests come as lines, answers go as lines.

Run as ``unshare … python -m mptcp_check.lab.resident`` by `sandbox.Sandbox`.  Its ``/run`` is its
own, so that names of namespaces are seen by nobody else; the end of its input is its end.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from mptcp_check.errors import MptcpCheckError
from mptcp_check.lab import judged_case, lab_run
from mptcp_check.lab.case import Case
from mptcp_check.model import Exchange
from mptcp_check.watch import Glimpse

_BUG: Final = 4
"""Exit code of what was not foreseen in here: the machine failed."""

Say = Callable[[Mapping[str, Any]], None]


class LineWatch:
    """Tells the outside what goes on, one line for each thing."""

    def __init__(self, say: Say) -> None:
        self._say = say

    def step(self, text: str) -> None:
        """Tell the stage."""
        self._say({"event": "step", "text": text})

    def detail(self, text: str) -> None:
        """Tell what the stage is at."""
        self._say({"event": "detail", "text": text})

    def planned(self, exchanges: Sequence[Exchange]) -> None:
        """Tell nothing: the plan came from outside."""

    def began(self, exchange: Exchange) -> None:
        """Tell which exchange began."""
        self._say({"event": "began", "exchange": exchange.id})

    def ended(self, exchange: Exchange, glimpse: Glimpse) -> None:
        """Tell how an exchange looked at its end."""
        self._say({"event": "ended", "exchange": exchange.id, "glimpse": asdict(glimpse)})


def main() -> None:
    """Answer until the input ends."""
    # what tools write by themselves must never get between the answers
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb", buffering=0)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    lines: list[bytes] = []
    came = threading.Condition()

    def read() -> None:
        for line in sys.stdin.buffer:
            with came:
                lines.append(line)
                came.notify()
        # process 1 takes all others with it, whatever they are doing
        os._exit(0)

    _own_places()
    threading.Thread(target=read, name="requests", daemon=True).start()

    def say(said: Mapping[str, Any]) -> None:
        answers.write(json.dumps(said).encode() + b"\n")

    number = 0
    while True:
        with came:
            came.wait_for(lambda: lines)
            line = lines.pop(0)
        number += 1
        say(_answer(json.loads(line), number, LineWatch(say)))


def _answer(request: Mapping[str, Any], number: int, watch: LineWatch) -> Mapping[str, Any]:
    try:
        with tempfile.TemporaryDirectory(prefix="mptcp-lab-", dir="/run") as work:
            Path(work).chmod(0o755)  # the servers' user must be able to walk down to the files
            return {"done": _VERBS[request["do"]](request, number, Path(work), watch)}
    except MptcpCheckError as error:
        return _failed(error.message, error.hint, error.exit_code)
    except Exception:  # noqa: BLE001 - told outside, where it is a bug as well
        return _failed(f"the lab failed:\n{traceback.format_exc()}", "please report this", _BUG)


def _case(request: Mapping[str, Any], number: int, work: Path, _: LineWatch) -> dict[str, Any]:
    keep = request["keep"]
    return judged_case.play_and_judge(
        Case.of_json(request["case"]),
        work=work,
        number=number,
        keep=None if keep is None else Path(keep),
    )


def _run(request: Mapping[str, Any], _: int, work: Path, watch: LineWatch) -> dict[str, Any]:
    return lab_run.play_and_store(request, work=work, watch=watch)


_VERBS: Final[Mapping[str, Callable[[Mapping[str, Any], int, Path, LineWatch], dict[str, Any]]]] = {
    "case": _case,
    "run": _run,
}


def _failed(message: str, hint: str, exit_code: int) -> Mapping[str, Any]:
    return {"failed": {"message": message, "hint": hint, "exit_code": exit_code}}


def _own_places() -> None:
    """Give the sandbox a ``/run`` of its own, and no IPv6 chatter on its wires."""
    _succeed(["mount", "-t", "tmpfs", "-o", "mode=755", "none", "/run"])
    Path("/run/netns").mkdir()
    for scope in ("all", "default"):
        Path(f"/proc/sys/net/ipv6/conf/{scope}/disable_ipv6").write_text("1\n")
    os.environ["XTABLES_LOCKFILE"] = "/run/xtables.lock"


def _succeed(command: Iterable[str]) -> None:
    subprocess.run(list(command), check=True)  # noqa: S603 - fixed lists


if __name__ == "__main__":
    main()
