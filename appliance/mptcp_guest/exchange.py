"""Run the client of one exchange, by a hard deadline, and tell what came of it.

Exit codes are told and never trusted: what counts is the digest of what arrived, the counters of
both ends and the captures.
"""

import os
import resource
import shutil
import signal
from contextlib import suppress
from pathlib import Path
from subprocess import Popen

from mptcp_guest import clock, handover, messages, own_program, payload
from mptcp_guest.lab import ENVIRONMENT, Lab
from mptcp_guest.messages import ARRIVED_FILE, SENT_FILE
from mptcp_guest.naming import checked_name
from mptcp_guest.refusal import RefusalError
from mptcp_guest.sampling import Sampler
from mptcp_guest.waiting import Deadline

TAIL_BYTES = 16 * 1024
FILE_LIMIT_BYTES = 256 * 1024 * 1024
"""No file of a client grows beyond this (RLIMIT_FSIZE): the disk of a guest is its memory."""


def run(
    lab: Lab, arguments: messages.ExchangeArguments, until: Deadline
) -> messages.ExchangeResult:
    """Run the commands of an exchange one after the other.

    Raises:
        RefusalError: They cannot be run at all; what they do is in the result.
    """
    if not arguments["commands"] or not all(arguments["commands"]):
        raise RefusalError("bad_arguments", "an exchange without a command")
    directory = lab.work_directory / "exchanges" / checked_name(arguments["name"])
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    try:
        return _run_in(directory, lab, arguments, until)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _run_in(
    directory: Path, lab: Lab, arguments: messages.ExchangeArguments, until: Deadline
) -> messages.ExchangeResult:
    sends = arguments["sends"]
    sent = None if sends is None else payload.write(directory / SENT_FILE, sends)
    for name, text in arguments.get("files", {}).items():
        path = directory / checked_name(name)
        path.touch(mode=0o600)  # ssh takes no key that others could read
        path.write_text(text)
    wrapper = ["mptcpize", "run"] if arguments["transport"] == "mptcp" else []
    exit_codes: list[int] = []
    timed_out = False
    with (
        Sampler(lab, arguments["sample_every_ms"]) as sampler,
        handover.acting(lab, arguments.get("handover")) as act,
    ):
        start_ns, started_ns = clock.wall_ns(), clock.monotonic_ns()
        deadline = until.earlier(arguments["within_s"])
        end_ns, ended_ns = start_ns, started_ns
        for command in arguments["commands"]:
            child = _start(lab, [*wrapper, *own_program.resolved(command)], directory)
            try:
                timed_out = not lab.stop.wait_for_exit(child, deadline)
                end_ns, ended_ns = clock.wall_ns(), clock.monotonic_ns()
            finally:
                lab.end(child, grace_s=0)
            exit_codes.append(-signal.SIGKILL if child.returncode is None else child.returncode)
            if timed_out or child.returncode != 0:
                break
    result = messages.ExchangeResult(
        start_ns=start_ns,
        end_ns=end_ns,
        duration_ns=ended_ns - started_ns,
        exit_codes=exit_codes,
        timed_out=timed_out,
        stdout_tail=_tail(directory / "stdout"),
        stderr_tail=_tail(directory / "stderr"),
        sent=sent,
        arrived=payload.digest_of_file(directory / ARRIVED_FILE),
        samples=sampler.samples,
        samples_lost_count=sampler.lost_count,
    )
    if act is not None:
        result["handover"] = act.done
    return result


def _start(lab: Lab, command: list[str], directory: Path) -> Popen[bytes]:
    environment = {**ENVIRONMENT, "HOME": str(directory)}
    with (directory / "stdout").open("ab") as out, (directory / "stderr").open("ab") as err:
        child = lab.start(
            lab.inside(command), stdout=out, stderr=err, cwd=directory, environment=environment
        )
    with suppress(ProcessLookupError):  # it may have ended already
        resource.prlimit(child.pid, resource.RLIMIT_FSIZE, (FILE_LIMIT_BYTES, FILE_LIMIT_BYTES))
    return child


def _tail(path: Path) -> str:
    with path.open("rb") as file:
        file.seek(0, os.SEEK_END)
        file.seek(max(0, file.tell() - TAIL_BYTES))
        return file.read().decode(errors="replace")
