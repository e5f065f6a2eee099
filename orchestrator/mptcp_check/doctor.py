"""What the main job needs on this computer: one check each, with what to do when it fails."""

import enum
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mptcp_appliance import store
from mptcp_appliance.errors import ImageError
from mptcp_appliance.images import load
from mptcp_check.errors import MptcpCheckError
from mptcp_check.machines import accelerator, process, qemu, workspace
from mptcp_check.settings import Places

FREE_FOR_RUN_BYTES = 500 << 20
FREE_FOR_BUILD_BYTES = 2 << 30
IMAGE = "appliance"

PACKAGES = {
    qemu.PROGRAM: "qemu-system-x86 (Debian) or qemu (Homebrew)",
    "mmdebstrap": "mmdebstrap",
    "mksquashfs": "squashfs-tools",
    "tshark": "tshark",
}


class Status(enum.StrEnum):
    """How a check ended."""

    PASS = "PASS"  # noqa: S105 - not a password
    WARN = "WARN"
    FAIL = "FAIL"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One answer."""

    name: str
    status: Status
    detail: str
    advice: str = ""


def examine(places: Places) -> tuple[Check, ...]:
    """Run every check; none changes anything but `remains`, which removes what a crash left."""
    return tuple(check(places) for check in CHECKS)


def _python(_places: Places) -> Check:
    version = ".".join(map(str, sys.version_info[:3]))
    good = sys.version_info >= (3, 11)
    return Check(
        name="Python",
        status=Status.PASS if good else Status.FAIL,
        detail=f"Python {version}",
        advice="" if good else "install Python 3.11 or newer",
    )


def _qemu(_places: Places) -> Check:
    name = "QEMU"
    advice = f"install {PACKAGES[qemu.PROGRAM]}"
    try:
        said = process.run([qemu.PROGRAM, "--version"], timeout_s=10)
    except MptcpCheckError as e:
        return Check(name=name, status=Status.FAIL, detail=e.message, advice=advice)
    version = qemu.version(said=said.stdout)
    if version is None or version < qemu.OLDEST_VERSION:
        oldest = ".".join(map(str, qemu.OLDEST_VERSION))
        return Check(
            name=name,
            status=Status.FAIL,
            detail=f"{qemu.PROGRAM} is too old or does not say its version",
            advice=f"install QEMU {oldest} or newer",
        )
    return Check(
        name=name, status=Status.PASS, detail=f"{qemu.PROGRAM} {'.'.join(map(str, version))}"
    )


def _image(places: Places) -> Check:
    name = "Appliance image"
    try:
        cached = store.find(load(IMAGE), cache_dir=places.images)
        if cached is not None:
            store.check(cached, pins=places.catalogues)
    except ImageError as e:
        return Check(name=name, status=Status.FAIL, detail=e.message, advice=e.hint)
    if cached is not None:
        whence = f"from {cached.origin.catalogue}" if cached.origin else "built here"
        return Check(
            name=name,
            status=Status.PASS,
            detail=f"{cached.digest[:12]}, {whence}, verified",
        )
    missing = [p for p in ("mmdebstrap", "mksquashfs") if shutil.which(p) is None]
    if missing:
        return Check(
            name=name,
            status=Status.FAIL,
            detail=f"not built yet, and {' and '.join(missing)} is missing",
            advice=f"install {' and '.join(PACKAGES[p] for p in missing)}, "
            "or fetch it: `mptcp-check image fetch URL --key KEY`",
        )
    return Check(
        name=name,
        status=Status.WARN,
        detail="not built yet",
        advice="the first run builds it (some minutes), or `mptcp-check image build` now",
    )


def _accelerator(places: Places) -> Check:
    name = "Acceleration"
    known = accelerator.known(places.accelerators)
    if not known:
        return Check(
            name=name,
            status=Status.WARN,
            detail="not tried yet",
            advice="the first run finds out by booting a guest",
        )
    last = known[-1]
    if last.name == "tcg":
        return Check(
            name=name,
            status=Status.WARN,
            detail=f"software emulation ({last.reason})",
            advice="it works, some seconds slower; nothing to do unless you expected KVM or HVF",
        )
    return Check(name=name, status=Status.PASS, detail=f"{last.name.upper()} boots a guest")


def _disk(places: Places) -> Check:
    name = "Disk space"
    needs = ((places.runs, FREE_FOR_RUN_BYTES), (places.images, FREE_FOR_BUILD_BYTES))
    for place, needed_bytes in needs:
        free_bytes = shutil.disk_usage(_existing(place)).free
        if free_bytes < needed_bytes:
            return Check(
                name=name,
                status=Status.FAIL,
                detail=f"{free_bytes >> 20} MiB free for {place}, {needed_bytes >> 20} MiB needed",
                advice="free some space, or set MPTCP_CHECK_HOME to a folder on another disk",
            )
    return Check(name=name, status=Status.PASS, detail="enough for the image and a run")


def _remains(_places: Places) -> Check:
    name = "Crashed runs"
    try:
        removed = workspace.remove_remains()
    except MptcpCheckError as e:
        return Check(name=name, status=Status.FAIL, detail=e.message, advice=e.hint)
    if not removed:
        return Check(name=name, status=Status.PASS, detail="nothing was left behind")
    killed = sum(len(r.killed_pids) for r in removed)
    return Check(
        name=name,
        status=Status.WARN,
        detail=f"{len(removed)} left something behind: removed, {killed} processes ended",
    )


def _tshark(_places: Places) -> Check:
    name = "tshark"
    if shutil.which("tshark") is None:
        return Check(
            name=name,
            status=Status.WARN,
            detail="not installed; the check does not need it",
            advice=f"install {PACKAGES['tshark']} to look at evidence frames yourself",
        )
    return Check(name=name, status=Status.PASS, detail="there, to look at evidence frames yourself")


def _existing(path: Path) -> Path:
    return path if path.exists() else _existing(path.parent)


CHECKS: tuple[Callable[[Places], Check], ...] = (
    _python,
    _qemu,
    _image,
    _accelerator,
    _disk,
    _remains,
    _tshark,
)
