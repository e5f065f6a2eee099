"""Build an image: packages into a tar archive, from it the kernel, the initramfs and the root."""

import contextlib
import errno
import os
import subprocess
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mptcp_appliance import (
    cpio,
    kernel,
    kernel_build,
    kernel_source,
    packages,
    plan,
    process,
    rootfs,
)
from mptcp_appliance.declaration import Declaration
from mptcp_appliance.describe import describe
from mptcp_appliance.errors import ImageError
from mptcp_appliance.image import file_digest
from mptcp_appliance.kernel import Kernel, Selection
from mptcp_appliance.kernel_declaration import BinaryKernel, SourceKernel
from mptcp_appliance.manifest import (
    EFI_KERNEL,
    INITRD,
    KERNEL,
    KERNEL_CONFIG,
    ROOTFS,
)
from mptcp_appliance.workshop import Workshop

_HOOK = "fetch-kernel"

_FILES = (KERNEL, INITRD, ROOTFS, EFI_KERNEL, KERNEL_CONFIG)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Taken:
    """The kernel of an image, whoever built it."""

    kernel: Kernel
    modules: Selection
    facts: Mapping[str, str]
    added: Mapping[str, bytes]
    """Files that it brings to the root file system, by path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Origin:
    """Where an image's kernel comes from."""

    hook: bytes
    """A program for mmdebstrap to run; empty for none."""
    environment: Mapping[str, str]
    """For the hook."""
    taken: Callable[[tarfile.TarFile], _Taken]
    """Gives the kernel, once the package archive is there."""


def build(
    declaration: Declaration,
    *,
    architecture: str,
    output: Path,
    work: Path,
    cache_dir: Path,
    inputs: Mapping[str, str],
    progress: Callable[[str], None],
    keep_open: Sequence[int] = (),
) -> None:
    """Make the files of an image and its manifest.

    Args:
        declaration: What is built.
        architecture: Debian's name.
        output: An empty folder for the result.
        work: An empty folder for what is thrown away.
        cache_dir: Where kernels are found that were built before, and put when they are built.
        inputs: What the manifest shall say about where the image comes from.
        progress: Called with one line of information, several times a second at most stages.
        keep_open: Descriptors for the tools to inherit, see `process.running`.

    Raises:
        ImageError: It could not be built; the folders hold remains then.
    """
    process.require("mmdebstrap", "mksquashfs", "dpkg-deb")
    # what cannot boot anyway is told before minutes of work
    command_line = plan.command_line(declaration, architecture=architecture)
    shop = Workshop(work=work, progress=progress, keep_open=tuple(keep_open))
    with _disk_full_named(output):
        tar = work / "packages.tar"
        origin = _origin(declaration, architecture, cache_dir, shop)
        packages.install(
            plan.packages(declaration, architecture=architecture),
            hook=origin.hook,
            environment={
                "SOURCE_DATE_EPOCH": str(declaration.source_date_epoch),
                **origin.environment,
            },
            tar=tar,
            shop=shop,
        )
        with tarfile.open(tar, mode="r:") as archive:
            found = rootfs.ingredients(archive)
            taken = origin.taken(archive)
            (output / KERNEL).write_bytes(kernel.bootable(taken.kernel))
            (output / EFI_KERNEL).write_bytes(taken.kernel.image)
            (output / KERNEL_CONFIG).write_text(taken.kernel.config, encoding="utf-8")
            entries = plan.initramfs(declaration, busybox=found.busybox, modules=taken.modules.boot)
            epoch = declaration.source_date_epoch
            (output / INITRD).write_bytes(cpio.write(entries, mtime_s=epoch))
            _pack(declaration, archive, taken.added, output / ROOTFS, shop)
        progress("computing digests")
        describe(
            output,
            _FILES,
            command_line=command_line,
            facts={
                "name": declaration.name,
                "architecture": architecture,
                "suite": declaration.suite,
                "kernel_release": taken.kernel.release,
                **taken.facts,
                "source_date_epoch": declaration.source_date_epoch,
                "packages": found.packages,
                "modules": [module.name for module in taken.modules.root],
                "inputs": inputs,
            },
        )


def _origin(
    declaration: Declaration, architecture: str, cache_dir: Path, shop: Workshop
) -> _Origin:
    wanted = declaration.kernel
    match wanted:
        case SourceKernel():
            recipe = kernel_build.Recipe(
                suite=declaration.suite,
                epoch_s=declaration.source_date_epoch,
                hook=declaration.hooks[kernel_source.HOOK],
            )
            built = kernel_build.ensure(
                wanted, recipe, architecture=architecture, cache_dir=cache_dir, shop=shop
            )
            files = built.selftests if declaration.selftests else {}
            taken = _Taken(
                kernel=built.kernel,
                modules=kernel.NO_MODULES,
                facts={f"kernel_{name}": value for name, value in built.facts.items()},
                added={f"{plan.SELFTESTS}/{path}": data for path, data in files.items()},
            )
            return _Origin(hook=b"", environment={}, taken=lambda _: taken)
        case BinaryKernel():
            return _Origin(
                hook=declaration.hooks[_HOOK],
                environment={"MPTCP_CHECK_KERNEL": wanted.package.replace("%s", architecture)},
                taken=lambda archive: _from_package(archive, wanted, shop),
            )


def _from_package(archive: tarfile.TarFile, wanted: BinaryKernel, shop: Workshop) -> _Taken:
    shop.progress("taking the kernel package apart")
    package = rootfs.fetched_package(archive, shop.work)
    taken = kernel.read(package)
    chosen = kernel.select(taken, wanted)
    return _Taken(
        kernel=taken,
        modules=chosen,
        facts={
            "kernel_package": package.name,
            "kernel_package_sha256": file_digest(package),
        },
        added=kernel.module_files(taken, chosen),
    )


def _pack(
    declaration: Declaration,
    archive: tarfile.TarFile,
    added: Mapping[str, bytes],
    output: Path,
    shop: Workshop,
) -> None:
    arguments = plan.mksquashfs_arguments(declaration, output=output, as_root=os.geteuid() == 0)
    log = shop.work / "mksquashfs.log"
    with (
        log.open("wb") as stream,
        process.running(
            arguments,
            stdin=subprocess.PIPE,
            stdout=stream,
            stderr=subprocess.STDOUT,
            keep_open=shop.keep_open,
        ) as packer,
    ):
        if packer.stdin is None:
            raise ValueError("the packer was started without a pipe")
        # when the packer dies its pipe breaks; its own last words say why
        with contextlib.suppress(BrokenPipeError):
            rootfs.rewrite(
                archive, packer.stdin, declaration=declaration, added=added, say=shop.progress
            )
            packer.stdin.close()
        status = process.wait(
            packer,
            on_silence=lambda: shop.progress(
                f"compressing the root file system ({packages.megabytes(output)} MB written)"
            ),
        )
        if status != 0:
            words = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
            raise process.failed("mksquashfs", status, words[-3:])


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
            hint=f"free {plan.NEEDED_MB} MB there, or take another folder for the cache",
        ) from e
