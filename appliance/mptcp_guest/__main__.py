"""Run the agent: requests come on standard input, answers go to standard output."""

import argparse
import os
import queue
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path

from mptcp_guest import visiting
from mptcp_guest.agent import REQUEST_LIMIT_BYTES, Agent
from mptcp_guest.lab import Lab
from mptcp_guest.lines import lines
from mptcp_guest.undo import Undo
from mptcp_guest.waiting import Stop
from mptcp_guest.watchdog import Watchdog


def main() -> None:
    """Answer until the input ends or a signal comes, then stop everything that was started."""
    parser = argparse.ArgumentParser(prog="mptcp_guest", description=__doc__)
    parser.add_argument("--work-directory", type=Path, default=Path("/run/mptcp-check"))
    parser.add_argument(
        "--owns-machine", action="store_true", help="it may power off and set the clock"
    )
    parser.add_argument(
        "--visits", action="store_true", help="on somebody's machine: leave it as it was"
    )
    options = parser.parse_args()
    # before the first thread, and before anything is open that must end with the agent
    watchdog = Watchdog.start(power_off) if options.owns_machine else None
    with visiting.visit(options.work_directory) if options.visits else nullcontext(Undo()) as undo:
        _answer(options, undo, watchdog)


def _answer(options: argparse.Namespace, undo: Undo, watchdog: Watchdog | None) -> None:
    # the servers' user must be able to walk down to the files
    options.work_directory.mkdir(mode=0o755, parents=True, exist_ok=True)
    # what the tools of the agent write by themselves must never get between the answers
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb", buffering=0)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    stop = Stop()
    requests: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()

    def go_away(*_: object) -> None:
        stop.set()
        requests.put(None)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, go_away)
    lab = Lab(
        work_directory=options.work_directory,
        stop=stop,
        owns_machine=options.owns_machine,
        undo=undo,
        watchdog=watchdog,
    )
    threading.Thread(target=_read, args=(requests, watchdog, go_away), daemon=True).start()
    agent = Agent(lab)
    try:
        while not lab.powering_off and (line := requests.get()) is not None:
            answers.write(agent.answer(line))
    except ConnectionError:
        stop.set()
    finally:
        agent.end()
    if lab.powering_off:
        power_off()


def power_off() -> None:
    """End the machine now; never returns."""
    os.execvp("poweroff", ["poweroff", "-f"])  # noqa: S606, S607 - the machine's own end


def _read(
    requests: "queue.SimpleQueue[bytes | None]",
    watchdog: Watchdog | None,
    at_end: Callable[[], None],
) -> None:
    """Put each line of the input into the queue, empty ones left out: they are signs of life."""
    try:
        for line in lines(partial(os.read, sys.stdin.fileno()), REQUEST_LIMIT_BYTES):
            if watchdog is not None:
                watchdog.renew()
            if line.strip():
                requests.put(line)
    except ConnectionError:
        pass  # whoever asked was killed before reading the last answer: also an end
    finally:
        at_end()


if __name__ == "__main__":
    main()
