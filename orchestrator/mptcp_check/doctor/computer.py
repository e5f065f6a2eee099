"""The computer itself: Python, disk, clock, what crashes left, a look at packets."""

import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from mptcp_check.doctor.check import Check, Question, Status
from mptcp_check.errors import MptcpCheckError
from mptcp_check.machines import process, workspace
from mptcp_check.machines.workspace import Remains
from mptcp_check.settings import FREE_FOR_RUN_BYTES

FREE_FOR_BUILD_BYTES = 4 << 30
OLDEST_PYTHON = (3, 11)
TIMEOUT_S = 10.0


def python(_question: Question) -> Iterator[Check]:
    """Give whether this Python is new enough."""
    yield judge_python(sys.version_info[:3])


def judge_python(version: tuple[int, ...]) -> Check:
    """Judge a version; PURE."""
    good = version >= OLDEST_PYTHON
    return Check(
        name="Python",
        status=Status.PASS if good else Status.FAIL,
        detail=".".join(map(str, version)),
        advice="" if good else "install Python 3.11 or newer",
    )


def disk(question: Question) -> Iterator[Check]:
    """Give whether there is space for an image and a run."""
    places = {
        question.places.runs: FREE_FOR_RUN_BYTES,
        question.places.images: FREE_FOR_BUILD_BYTES,
    }
    yield judge_disk(
        [(place, shutil.disk_usage(_existing(place)).free, n) for place, n in places.items()]
    )


def judge_disk(places: Sequence[tuple[Path, int, int]]) -> Check:
    """Judge folders by their free bytes and the needed ones; PURE."""
    name = "Disk space"
    for place, free_bytes, needed_bytes in places:
        if free_bytes < needed_bytes:
            return Check(
                name=name,
                status=Status.FAIL,
                detail=f"{free_bytes >> 20} MiB free for {place}, {needed_bytes >> 20} MiB needed",
                advice="free some space, or set MPTCP_CHECK_HOME to a folder on another disk",
            )
    least_bytes = min(free_bytes for _, free_bytes, _ in places)
    return Check(name=name, status=Status.PASS, detail=f"{least_bytes >> 30} GiB free")


def clock_kept(_question: Question) -> Iterator[Check]:
    """Give whether the system keeps its clock by NTP, where it says so."""
    if shutil.which("timedatectl") is None:
        return
    try:
        said = process.run(["timedatectl", "show"], timeout_s=TIMEOUT_S).stdout
    except MptcpCheckError:
        return
    yield from judge_clock_kept(said.decode(errors="replace"))


def judge_clock_kept(said: str) -> Iterator[Check]:
    """Judge what ``timedatectl show`` says; nothing when it does not know; PURE."""
    values = dict(line.split("=", 1) for line in said.splitlines() if "=" in line)
    synchronized = values.get("NTPSynchronized")
    if synchronized not in ("yes", "no"):
        return
    good = synchronized == "yes"
    yield Check(
        name="Clock",
        status=Status.PASS if good else Status.WARN,
        detail="kept by NTP" if good else "not kept by NTP",
        advice="" if good else "`sudo timedatectl set-ntp true`: a report's times would be wrong",
    )


def remains(_question: Question) -> Iterator[Check]:
    """Remove what crashed runs left, and give what it was."""
    try:
        yield judge_remains(workspace.remove_remains())
    except MptcpCheckError as e:
        yield Check(name=REMAINS, status=Status.FAIL, detail=e.message, advice=e.hint)


REMAINS = "Crashed runs"


def judge_remains(removed: Sequence[Remains]) -> Check:
    """Judge what was removed; PURE."""
    if not removed:
        return Check(name=REMAINS, status=Status.PASS, detail="nothing was left behind")
    killed_count = sum(len(r.killed_pids) for r in removed)
    return Check(
        name=REMAINS,
        status=Status.WARN,
        detail=f"{len(removed)} left something behind: removed, {killed_count} processes ended",
    )


def tshark(_question: Question) -> Iterator[Check]:
    """Give whether evidence can be looked at with Wireshark's tool."""
    yield judge_tshark({"tshark": shutil.which("tshark")})


def judge_tshark(found: Mapping[str, str | None]) -> Check:
    """Judge where programs are; PURE."""
    path = found.get("tshark")
    return Check(
        name="tshark",
        status=Status.PASS if path else Status.WARN,
        detail=path or "not installed; no measurement needs it",
        advice="" if path else "install tshark to look at evidence frames yourself",
    )


def _existing(path: Path) -> Path:
    return path if path.exists() else _existing(path.parent)
