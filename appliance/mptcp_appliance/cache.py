"""Images on disk, found by what they are made of; built when they are not there yet."""

import platform
import shutil
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, suppress
from pathlib import Path

from mptcp_appliance import durable, image, plan
from mptcp_appliance.declaration import Declaration
from mptcp_appliance.errors import ImageError
from mptcp_appliance.image import Image

_PARTIAL = ".partial-"
"""Prefix of folders that are being built; what has it is never taken for an image."""

_NOT_BUILDERS = frozenset(
    {
        *("__init__", "boot", "cache", "errors", "image", "images", "narrate", "process"),
        *("boxes", "disk", "disk_layout", "ovf", "verify", "vmdk"),
        *("catalogue", "catalogue_folder", "durable", "rollback", "store", "superseded"),
        *("signing", "signing_key", "signing_rotation"),
        *("fetch", "fetch_catalogue", "fetch_choice", "fetch_folder", "fetch_http"),
        *("fetch_part", "fetch_place", "fetch_source"),
    }
)
"""Modules of this package that can change without changing what is built."""

ARCHITECTURES = ("amd64", "arm64")
"""Debian's names of those that `plan.architecture` knows."""


def find(
    declaration: Declaration, *, cache_dir: Path, architecture: str | None = None
) -> Image | None:
    """Return the image of a declaration if the cache holds it.

    Args:
        declaration: What is wanted.
        cache_dir: Need not exist.
        architecture: Debian's name; this computer's if none is given.

    Raises:
        ImageError: What lies in its place is damaged.
    """
    directory = _directory(declaration, cache_dir, architecture)
    return image.read(directory) if directory.is_dir() else None


def ensure(
    declaration: Declaration,
    *,
    cache_dir: Path,
    progress: Callable[[str], None],
    architecture: str | None = None,
) -> Image:
    """Return the image of a declaration, built now if the cache does not hold it.

    One build at a time runs in a cache folder; a second caller waits for it. An image
    appears in the cache whole or not at all. Its files are not compared with their digests
    here; that is `mptcp_appliance.verify`.

    Args:
        declaration: What is wanted.
        cache_dir: Made if it is not there.
        progress: Called with one line of information, several times a second while building;
            not at all if the image is there.
        architecture: Debian's name; this computer's if none is given.

    Raises:
        ImageError: The image could not be built, or what lies in its place is damaged.
    """
    architecture = architecture or plan.architecture(platform.machine())
    directory = _directory(declaration, cache_dir, architecture)
    if directory.is_dir():
        return image.read(directory)
    try:
        cache_dir.mkdir(parents=True, exist_ok=True)
        with _alone(cache_dir, progress) as lock:
            if directory.is_dir():
                return image.read(directory)
            _remove_remains(cache_dir)
            _require_space(cache_dir)
            # who only looks for an image does without all that builds one
            from mptcp_appliance.build import build  # noqa: PLC0415

            partial = cache_dir / f"{_PARTIAL}{directory.name}"
            output, work = partial / "image", partial / "work"
            try:
                output.mkdir(parents=True)
                work.mkdir()
                build(
                    declaration,
                    architecture=architecture,
                    output=output,
                    work=work,
                    cache_dir=cache_dir,
                    inputs={"key": directory.name, **_builder()},
                    progress=progress,
                    keep_open=(lock,),
                )
                durable.settle(output)
                output.rename(directory)
                _remove_replaced(cache_dir, declaration, directory.name, architecture)
            finally:
                _remove_remains(cache_dir)
    except OSError as e:
        raise ImageError(
            f"the cache folder {cache_dir} cannot be used: {e}",
            hint="make it writable, or take another folder",
        ) from e
    return image.read(directory)


def needed(declarations: Iterable[Declaration], *, cache_dir: Path) -> set[str]:
    """Return the names of the folders in which these images and their kernels lie, or would."""
    from mptcp_appliance import superseded  # noqa: PLC0415 - as for `build`

    names = set[str]()
    for declaration in declarations:
        for architecture in ARCHITECTURES:
            names.add(_directory(declaration, cache_dir, architecture).name)
            names.add(superseded.kernel_folder(declaration, architecture) or "")
    return names


def prune(
    declarations: Iterable[Declaration],
    *,
    cache_dir: Path,
    progress: Callable[[str], None],
    only_say: bool = False,
) -> dict[Path, int]:
    """Remove what was built here and is none of these images; return the bytes of each folder.

    A build that is under way is waited for.

    Args:
        declarations: What may still be booted.
        cache_dir: Need not exist.
        progress: Called with a line while it waits.
        only_say: Remove nothing.

    Raises:
        ImageError: Something cannot be removed.
    """
    if not cache_dir.is_dir():
        return {}
    from mptcp_appliance import superseded  # noqa: PLC0415 - as for `build`

    wanted = needed(declarations, cache_dir=cache_dir)
    try:
        with _alone(cache_dir, progress):
            found = superseded.replaced(cache_dir, needed=wanted)
            sizes = {folder: superseded.size_bytes(folder) for folder in found}
            if not only_say:
                superseded.remove_remains(cache_dir)
                for folder in found:
                    superseded.remove(folder)
    except OSError as e:
        raise ImageError(
            f"{e.filename or cache_dir} cannot be removed: {(e.strerror or str(e)).lower()}",
            hint="look at its rights; what was removed before it is gone",
        ) from e
    return sizes


def _remove_replaced(
    cache_dir: Path, declaration: Declaration, name: str, architecture: str
) -> None:
    """Bound what builds leave behind; one that cannot be removed keeps no image from its user."""
    from mptcp_appliance import superseded  # noqa: PLC0415 - as for `build`

    kernel = superseded.kernel_folder(declaration, architecture) or ""
    with suppress(OSError):
        superseded.remove_remains(cache_dir)
        for folder in superseded.replaced(
            cache_dir, needed={name, kernel}, spare_count=superseded.SPARE_COUNT
        ):
            superseded.remove(folder)


def _directory(declaration: Declaration, cache_dir: Path, architecture: str | None) -> Path:
    architecture = architecture or plan.architecture(platform.machine())
    key = plan.cache_key(declaration, architecture=architecture, builder=_builder())
    return cache_dir / f"{declaration.name}-{architecture}-{key}"


def _builder() -> dict[str, str]:
    """Return the digest of each source file that decides what an image looks like."""
    sources = sorted(Path(__file__).resolve().parent.glob("*.py"))
    return {p.name: image.file_digest(p) for p in sources if p.stem not in _NOT_BUILDERS}


def _alone(cache_dir: Path, progress: Callable[[str], None]) -> AbstractContextManager[int]:
    """Hold the lock of a cache folder, and give its descriptor.

    The tools of a build inherit it, so a build whose Python was killed blocks the next one only
    until its tools are gone too.
    """
    return durable.alone(
        cache_dir / durable.LOCK, lambda: progress(f"waiting for another build in {cache_dir}")
    )


def _remove_remains(cache_dir: Path) -> None:
    """Remove half-built images. The caller holds the lock, so none of them is alive."""
    for path in cache_dir.glob(f"{_PARTIAL}*"):
        mounted = _mounts_below(path)
        if mounted:
            # deleting through a mount would delete what is mounted, /dev for one
            raise ImageError(
                f"a dead build left {mounted[0]} mounted", hint=f"run: umount {mounted[0]}"
            )
        shutil.rmtree(path)


def _mounts_below(path: Path) -> list[str]:
    table = Path("/proc/self/mountinfo")
    lines = table.read_text(encoding="utf-8").splitlines() if table.exists() else []
    # the fifth field is the mount point, proc_pid_mountinfo(5)
    points = [line.split()[4] for line in lines]
    return sorted((p for p in points if path.resolve() in Path(p).parents), reverse=True)


def _require_space(cache_dir: Path) -> None:
    free_mb = shutil.disk_usage(cache_dir).free // 10**6
    if free_mb < plan.NEEDED_MB:
        raise ImageError(
            f"building an image needs {plan.NEEDED_MB} MB in {cache_dir}, {free_mb} MB are free",
            hint="free some space, or take another folder for the cache",
        )
