"""The computer itself: Python, disk, clock, what crashes left, a look at packets."""

import ctypes
import os
import shutil
import struct
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from mptcp_check.doctor.check import Check, Question, Status
from mptcp_check.errors import MptcpCheckError
from mptcp_check.machines import workspace
from mptcp_check.machines.workspace import Remains
from mptcp_check.settings import FREE_FOR_RUN_BYTES

FREE_FOR_BUILD_BYTES = 4 << 30
OLDEST_PYTHON = (3, 11)
KEPT_WITHIN_US = 16_000_000
"""The kernel's largest error of a clock; systemd-timedated judges by it as well."""
_TIMEX = struct.Struct("@I4l")
"""The beginning of Linux's struct timex: modes, offset, freq, maxerror, esterror."""
_TIMEX_BYTES = 512
"""More than any architecture's."""


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


def rights(question: Question) -> Iterator[Check]:
    """Give whether a run may be kept; nothing where it may."""
    folder = _existing(question.places.runs)
    if not os.access(folder, os.W_OK):
        yield Check(
            name="Rights",
            status=Status.FAIL,
            detail=f"you may not write to {folder}, where runs are kept",
            advice="make it yours, or set MPTCP_CHECK_HOME to a folder of yours",
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
    """Give whether somebody keeps the system's clock, where the system says so."""
    yield from judge_clock_kept(_clock_error_us())


def judge_clock_kept(error_us: int | None) -> Iterator[Check]:
    """Judge the most by which the clock may be wrong; nothing where it is not known; PURE."""
    if error_us is None:
        return
    good = error_us < KEPT_WITHIN_US
    yield Check(
        name="Clock",
        status=Status.PASS if good else Status.WARN,
        detail="kept by a time service" if good else "no time service keeps it",
        advice=""
        if good
        else "a report's times may be wrong: `sudo timedatectl set-ntp true`, or install chrony; "
        "nothing to do in a virtual machine whose host keeps its clock",
    )


def _clock_error_us() -> int | None:
    """Return what the kernel was told of its clock's error; adjtimex(2) changes nothing here."""
    if sys.platform != "linux":
        return None
    timex = ctypes.create_string_buffer(_TIMEX_BYTES)  # modes are 0: only look
    try:
        state: int = ctypes.CDLL(None).adjtimex(timex)
    except (OSError, AttributeError):
        return None
    error_us: int = _TIMEX.unpack_from(timex)[3]
    return error_us if state >= 0 else None


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
