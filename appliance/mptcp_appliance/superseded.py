"""Images and kernels in the cache that something newer has replaced, and their removal.

Each is a folder called by its kind and by the digest of what it is made of; a new version of the
program or of a declaration makes a new one beside the old.  A build leaves a few of each kind, for
other versions of this program that run on the same computer; the user can remove all.
"""

import re
import shutil
from collections.abc import Collection, Iterator
from pathlib import Path

from mptcp_appliance import kernel_plan
from mptcp_appliance.declaration import Declaration
from mptcp_appliance.kernel_build import FOLDER
from mptcp_appliance.kernel_declaration import SourceKernel

SPARE_COUNT = 2
"""How many replaced ones of a kind a build leaves."""

LEAVING = ".leaving-"
"""Prefix of a folder that is being removed: half of it is never taken for whole."""

_NAME = re.compile(r"(?P<kind>[a-z0-9-]+)-[0-9a-f]{16}")


def replaced(cache_dir: Path, *, needed: Collection[str], spare_count: int = 0) -> list[Path]:
    """Return the folders that nobody needs, oldest first.

    Args:
        cache_dir: Need not exist.
        needed: Names of folders that are none, whatever their age.
        spare_count: How many of each kind are left out, the newest.
    """
    found = []
    for place in (cache_dir, cache_dir / FOLDER):
        kinds: dict[str, list[Path]] = {}
        for folder in sorted(_folders(place), key=_age_ns, reverse=True):
            match = _NAME.fullmatch(folder.name)
            if match and folder.name not in needed:
                kinds.setdefault(match["kind"], []).append(folder)
        found += [folder for folders in kinds.values() for folder in folders[spare_count:]]
    return sorted(found, key=_age_ns)


def kernel_folder(declaration: Declaration, architecture: str) -> str | None:
    """Return the name of the folder of an image's kernel; none if it is not built from source."""
    kernel = declaration.kernel
    if not isinstance(kernel, SourceKernel) or architecture not in kernel.requests:
        return None
    epoch_s = declaration.source_date_epoch
    key = kernel_plan.key(kernel, architecture=architecture, epoch_s=epoch_s)
    return f"{architecture}-{key}"


def size_bytes(folder: Path) -> int:
    """Return what the files of a folder hold."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def remove(folder: Path) -> None:
    """Remove a folder; whoever reads its open files can go on.

    Raises:
        OSError: It cannot be removed.
    """
    leaving = folder.with_name(f"{LEAVING}{folder.name}")
    folder.rename(leaving)
    shutil.rmtree(leaving)


def remove_remains(cache_dir: Path) -> None:
    """Finish removals that were interrupted. The caller holds the cache's lock."""
    for place in (cache_dir, cache_dir / FOLDER):
        for path in place.glob(f"{LEAVING}*"):
            shutil.rmtree(path)


def _folders(place: Path) -> Iterator[Path]:
    if place.is_dir():
        yield from (path for path in place.iterdir() if path.is_dir())


def _age_ns(folder: Path) -> tuple[int, str]:
    return folder.stat().st_mtime_ns, folder.name
