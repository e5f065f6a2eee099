"""Get the kernel's source: the package from Debian's archive, the tree out of the package."""

import shutil
import tarfile
from dataclasses import dataclass
from pathlib import Path

from mptcp_appliance import packages, plan, process, rootfs
from mptcp_appliance.errors import ImageError
from mptcp_appliance.image import file_digest
from mptcp_appliance.kernel_declaration import SourceKernel
from mptcp_appliance.workshop import Workshop

HOOK = "fetch-source"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """An unpacked source tree and what it came from."""

    tree: Path
    package: str
    """File name of the package, with its version."""
    sha256: str
    """Of the package, which Debian's archive signed for."""


def fetch(
    kernel: SourceKernel,
    *,
    suite: str,
    architecture: str,
    hook: bytes,
    shop: Workshop,
) -> Source:
    """Download the source package and unpack it; apt compares it with the archive's signature.

    Args:
        kernel: Names the package and its version.
        suite: Debian's code name.
        architecture: Of this machine, by Debian's name; the source is the same for all.
        hook: The program that fetches.
        shop: The tree stays in its folder, all else goes.

    Raises:
        ImageError: It cannot be had, or is not what it should be.
    """
    tar = shop.work / "source.tar"
    shop.progress(f"downloading the kernel's source, {kernel.package} {kernel.version}")
    packages.install(
        plan.Packages(suite=suite, architecture=architecture, variant="custom"),
        hook=hook,
        environment={
            "MPTCP_CHECK_SOURCE": kernel.package,
            "MPTCP_CHECK_VERSION": kernel.version,
        },
        tar=tar,
        shop=shop,
    )
    with tarfile.open(tar, mode="r:") as archive:
        package = rootfs.fetched_package(archive, shop.work)
    tar.unlink()
    inner = _inner_archive(package, shop.work, name=f"usr/src/{kernel.package}.tar.xz")
    found = Source(tree=shop.work / "source", package=package.name, sha256=file_digest(package))
    package.unlink()
    found.tree.mkdir()
    # the archive's own tool: 87000 files, their folders' names are all below one
    process.run(
        [
            *("tar", "--extract", "--xz", "--file", str(inner), "--directory", str(found.tree)),
            *("--strip-components=1", "--no-same-owner"),
        ],
        on_line=shop.progress,
        on_silence=lambda: shop.progress(
            f"unpacking the source ({packages.megabytes(found.tree)} MB)"
        ),
        keep_open=shop.keep_open,
    )
    inner.unlink()
    return found


def _inner_archive(package: Path, work: Path, *, name: str) -> Path:
    target = work / "tree.tar.xz"
    with process.running(["dpkg-deb", "--fsys-tarfile", str(package)]) as dpkg:
        try:
            with tarfile.open(fileobj=process.output(dpkg), mode="r|") as archive:
                for member in archive:
                    stream = archive.extractfile(member) if member.isfile() else None
                    if stream is not None and rootfs.path_of(member) == name:
                        with target.open("wb") as file:
                            shutil.copyfileobj(stream, file)
        except (tarfile.TarError, EOFError) as e:
            raise ImageError(f"the source package {package.name} cannot be read: {e}") from e
    if not target.exists():
        raise ImageError(f"the package {package.name} holds no {name}")
    return target
