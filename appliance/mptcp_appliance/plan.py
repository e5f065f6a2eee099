"""What a build will do, as values: argument lists, kept paths, initramfs, cache key. No I/O."""

import dataclasses
import fnmatch
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from mptcp_appliance import cpio
from mptcp_appliance.declaration import Declaration
from mptcp_appliance.errors import ImageError
from mptcp_appliance.modules import Module

LAYOUT = 2
"""Raised when an image of the same declaration would have to look different."""

NEEDED_MB = 1000
"""Room for a build: package tree, archive and result took 560 MB."""

SPOOL = ".mptcp-check"
"""Folder of the package tree in which a hook leaves what it fetched."""

SELFTESTS = "usr/local/lib/mptcp-selftests"
"""Folder in the image for upstream's selftests, where the declaration wants them."""

_ARCHITECTURES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


def architecture(machine: str) -> str:
    """Return Debian's name for what ``uname -m`` calls `machine`.

    Raises:
        ImageError: No image is made for such a machine.
    """
    try:
        return _ARCHITECTURES[machine.lower()]
    except KeyError:
        raise ImageError(
            f"no image is made for the processor {machine}", hint="use x86-64 or 64-bit ARM"
        ) from None


def cache_key(declaration: Declaration, *, architecture: str, builder: Mapping[str, str]) -> str:
    """Return 16 hexadecimal digits that differ whenever an image would be built differently.

    Package versions are not part of it: they are in the manifest of what was built.

    Args:
        declaration: What is built.
        architecture: Debian's name.
        builder: SHA-256 of each source file of this package, by name.
    """
    content = dataclasses.asdict(declaration)
    text = json.dumps(
        {"layout": LAYOUT, "for": architecture, "builder": dict(builder), "image": content},
        sort_keys=True,
        default=lambda data: hashlib.sha256(data).hexdigest(),
    )
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def command_line(declaration: Declaration, *, architecture: str) -> str:
    """Return the words for the kernel.

    Raises:
        ImageError: The declaration knows no console for this architecture.
    """
    if architecture not in declaration.consoles:
        raise ImageError(
            f"image {declaration.name} is not declared for {architecture}",
            hint="add its console to image.toml, under [kernel.console]",
        )
    return " ".join((f"console={declaration.consoles[architecture]}", *declaration.command_line))


@dataclass(frozen=True, slots=True, kw_only=True)
class Packages:
    """What mmdebstrap is asked for."""

    suite: str
    architecture: str
    """Debian's name."""
    variant: str
    """mmdebstrap's: ``essential`` is a system that runs, ``custom`` nothing but what is named."""
    include: tuple[str, ...] = ()


def packages(declaration: Declaration, *, architecture: str) -> Packages:
    """Return what an image's root file system is made of."""
    # only what is essential: apt stays outside, nothing in the image can install
    return Packages(
        suite=declaration.suite,
        architecture=architecture,
        variant="essential",
        include=declaration.packages,
    )


def mmdebstrap_arguments(
    request: Packages,
    *,
    hook: Path | None,
    tar: Path,
    sources_on_stdin: bool,
    own_mounts: bool,
) -> list[str]:
    """Return the command that installs packages into a tar archive.

    Args:
        request: What is installed.
        hook: A program that is run with the tree as argument, at the end.
        tar: What is written.
        sources_on_stdin: Whether this machine's apt sources are fed to it; otherwise
            mmdebstrap takes its own default for the suite.
        own_mounts: Whether it gets a mount namespace of its own. As root it mounts /proc
            and /sys into its tree, and leaves them there when it is interrupted (1.3.5);
            in a namespace they go with it.
    """
    return [
        *(["unshare", "--mount"] if own_mounts else []),
        "mmdebstrap",
        "--verbose",
        f"--variant={request.variant}",
        f"--architectures={request.architecture}",
        "--format=tar",
        *([f"--include={','.join(request.include)}"] if request.include else []),
        '--aptopt=Acquire::Languages "none"',
        '--aptopt=APT::Install-Recommends "false"',
        '--aptopt=Acquire::Retries "3"',
        "--dpkgopt=path-exclude=/usr/share/man/*",
        "--dpkgopt=path-exclude=/usr/share/locale/*",
        *([f"--customize-hook={hook}"] if hook else []),
        request.suite,
        str(tar),
        *(["-"] if sources_on_stdin else []),
    ]


def mksquashfs_arguments(declaration: Declaration, *, output: Path, as_root: bool) -> list[str]:
    """Return the command that packs a tar archive on its standard input into the root image.

    Args:
        declaration: Has the moment of all time stamps.
        output: What is written.
        as_root: Whether the caller is root. Otherwise mksquashfs is told so: for an archive
            it gives the root folder to the caller, whatever ``-root-uid`` says (4.5.1).
    """
    return [
        *([] if as_root else ["unshare", "--map-root-user"]),
        "mksquashfs",
        "-",
        str(output),
        "-tar",
        *("-comp", "zstd", "-Xcompression-level", "15"),
        *("-mkfs-time", str(declaration.source_date_epoch)),
        # -root-time is ignored for an archive (4.5.1); this one covers the root folder too
        *("-all-time", str(declaration.source_date_epoch)),
        *("-root-mode", "0755"),
        "-no-xattrs",
        "-no-progress",
        "-quiet",
    ]


def left_out(declaration: Declaration) -> re.Pattern[str]:
    """Return a pattern that matches every path which the image leaves out."""
    patterns = (*declaration.exclude, SPOOL, f"{SPOOL}/*")
    return re.compile("|".join(fnmatch.translate(pattern) for pattern in patterns))


def initramfs(
    declaration: Declaration, *, busybox: bytes, modules: Iterable[Module]
) -> tuple[cpio.Entry, ...]:
    """Return the first root: a static busybox, the modules and the script that uses them.

    Args:
        declaration: Has the script.
        busybox: A static program.
        modules: In the order in which they can be loaded.
    """
    modules = tuple(modules)
    order = "".join(f"{module.name}.ko\n" for module in modules).encode()
    return (
        *map(cpio.directory, ("bin", "dev", "modules", "proc", "root", "sys")),
        # the kernel opens it for init before anything is mounted
        cpio.character_device("dev/console", 5, 1),
        cpio.program("init", declaration.initramfs_init),
        cpio.program("bin/busybox", busybox),
        cpio.file("modules.order", order),
        *(cpio.file(f"modules/{module.name}.ko", module.data) for module in modules),
    )
