"""Build an image: packages into a tar archive, from it the kernel, the initramfs and the root."""

import contextlib
import errno
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from mptcp_appliance import cpio, kernel, plan, process, rootfs, sources
from mptcp_appliance.declaration import Declaration
from mptcp_appliance.describe import describe
from mptcp_appliance.errors import ImageError
from mptcp_appliance.image import file_digest
from mptcp_appliance.manifest import INITRD, KERNEL, KERNEL_CONFIG, PARTS, ROOTFS
from mptcp_appliance.narrate import narrator

_APT = Path("/etc/apt")

_HOOK = "fetch-kernel"


def build(
    declaration: Declaration,
    *,
    architecture: str,
    output: Path,
    work: Path,
    inputs: Mapping[str, str],
    progress: Callable[[str], None],
    keep_open: Sequence[int] = (),
) -> None:
    """Make the three files of an image and its manifest.

    Args:
        declaration: What is built.
        architecture: Debian's name.
        output: An empty folder for the result.
        work: An empty folder for what is thrown away.
        inputs: What the manifest shall say about where the image comes from.
        progress: Called with one line of information, several times a second at most stages.
        keep_open: Descriptors for the tools to inherit, see `process.running`.

    Raises:
        ImageError: It could not be built; the folders hold remains then.
    """
    process.require("mmdebstrap", "mksquashfs", "dpkg-deb")
    with _disk_full_named(output):
        tar = work / "packages.tar"
        _install(declaration, architecture, work, tar, progress, keep_open)
        with tarfile.open(tar, mode="r:") as archive:
            found = rootfs.ingredients(archive)
            progress("taking the kernel package apart")
            package = rootfs.extract_kernel_package(archive, found.kernel_package, work)
            taken = kernel.read(package)
            chosen = kernel.select(taken, declaration)
            (output / KERNEL).write_bytes(kernel.bootable(taken))
            entries = plan.initramfs(declaration, busybox=found.busybox, modules=chosen.boot)
            epoch = declaration.source_date_epoch
            (output / INITRD).write_bytes(cpio.write(entries, mtime_s=epoch))
            added = kernel.module_files(taken, chosen)
            _pack(declaration, archive, added, output / ROOTFS, work, progress, keep_open)
        progress("computing digests")
        (output / KERNEL_CONFIG).write_text(taken.config, encoding="utf-8")
        describe(
            output,
            (*PARTS, KERNEL_CONFIG),
            command_line=plan.command_line(declaration, architecture=architecture),
            facts={
                "name": declaration.name,
                "architecture": architecture,
                "suite": declaration.suite,
                "kernel_release": taken.release,
                "kernel_package": Path(found.kernel_package).name,
                "kernel_package_sha256": file_digest(package),
                "source_date_epoch": declaration.source_date_epoch,
                "packages": found.packages,
                "modules": [module.name for module in chosen.root],
                "inputs": inputs,
            },
        )


def _install(  # noqa: PLR0917 - one call, the parts of one step
    declaration: Declaration,
    architecture: str,
    work: Path,
    tar: Path,
    progress: Callable[[str], None],
    keep_open: Sequence[int],
) -> None:
    entries = sources.debian_entries(_apt_files(), suite=declaration.suite)
    with _tree_folder(work) as folder:
        hook = folder / _HOOK
        hook.write_bytes(declaration.hooks[_HOOK])
        hook.chmod(0o755)
        process.run(
            plan.mmdebstrap_arguments(
                declaration,
                architecture=architecture,
                hook=hook,
                tar=tar,
                sources_on_stdin=bool(entries),
                own_mounts=process.succeeds(["unshare", "--mount", "true"]),
            ),
            on_line=narrator(progress),
            on_silence=lambda: progress(f"still at it ({_megabytes(folder)} MB on disk)"),
            stdin_text=entries or None,
            environment={
                "SOURCE_DATE_EPOCH": str(declaration.source_date_epoch),
                "MPTCP_CHECK_KERNEL": declaration.kernel_package.replace("%s", architecture),
                "TMPDIR": str(folder),
            },
            keep_open=keep_open,
        )


@contextlib.contextmanager
def _tree_folder(work: Path) -> Iterator[Path]:
    """Yield the folder in which mmdebstrap lays out its tree of hundreds of megabytes.

    For root that is where the image goes: there is room, and the remains of a killed build
    are found again. Others run mmdebstrap in a user namespace, where they are a stranger to
    their own home: the tree then lies where everybody may enter.
    """
    if os.geteuid() == 0:
        yield work
        return
    folder = Path(tempfile.mkdtemp(prefix="mptcp-check-"))
    try:
        # a user of the namespace makes the tree in it; the sticky bit keeps others' hands off
        folder.chmod(0o1777)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if folder.exists():
            # interrupted: what is left belongs to users of the namespace, and only there to us
            left = [str(path) for path in folder.iterdir()]
            process.succeeds(["mmdebstrap", "--unshare-helper", "rm", "-rf", *left])
            shutil.rmtree(folder, ignore_errors=True)


def _apt_files() -> list[tuple[str, str]]:
    """Return name and text of each file that tells apt where packages come from."""
    folder = _APT / "sources.list.d"
    candidates = [_APT / "sources.list", *folder.glob("*.list"), *folder.glob("*.sources")]
    return [
        (str(path), path.read_text(encoding="utf-8", errors="replace"))
        for path in candidates
        if path.is_file()
    ]


def _pack(  # noqa: PLR0917 - one call, the parts of one step
    declaration: Declaration,
    archive: tarfile.TarFile,
    added: Mapping[str, bytes],
    output: Path,
    work: Path,
    progress: Callable[[str], None],
    keep_open: Sequence[int],
) -> None:
    arguments = plan.mksquashfs_arguments(declaration, output=output, as_root=os.geteuid() == 0)
    log = work / "mksquashfs.log"
    with (
        log.open("wb") as stream,
        process.running(
            arguments,
            stdin=subprocess.PIPE,
            stdout=stream,
            stderr=subprocess.STDOUT,
            keep_open=keep_open,
        ) as packer,
    ):
        if packer.stdin is None:
            raise ValueError("the packer was started without a pipe")
        # when the packer dies its pipe breaks; its own last words say why
        with contextlib.suppress(BrokenPipeError):
            rootfs.rewrite(
                archive, packer.stdin, declaration=declaration, added=added, say=progress
            )
            packer.stdin.close()
        status = process.wait(
            packer,
            on_silence=lambda: progress(
                f"compressing the root file system ({_megabytes(output)} MB written)"
            ),
        )
        if status != 0:
            words = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
            raise process.failed("mksquashfs", status, words[-3:])


def _megabytes(path: Path) -> int:
    """Return the size of a file, or of all that lies in a folder that others are changing."""
    files = path.rglob("*") if path.is_dir() else [path]
    total_bytes = 0
    # what is being changed may be gone when it is looked at
    with contextlib.suppress(OSError):
        total_bytes = sum(file.lstat().st_size for file in files)
    return total_bytes // 10**6


@contextlib.contextmanager
def _disk_full_named(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as e:
        if e.errno not in {errno.ENOSPC, errno.EDQUOT}:
            raise
        free = os.statvfs(folder)
        raise ImageError(
            f"the disk is full: {free.f_bavail * free.f_frsize // 10**6} MB are free at {folder}",
            hint=f"Free {plan.NEEDED_MB} MB there, or take another folder for the cache.",
        ) from e
