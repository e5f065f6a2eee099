"""A built image: its three files, and the manifest that says what they are made of."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from mptcp_appliance import manifest
from mptcp_appliance.errors import ImageError
from mptcp_appliance.manifest import INITRD, KERNEL, MANIFEST, ROOTFS, Manifest

_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """An image in the cache; its files are never changed, only replaced as a whole."""

    directory: Path
    kernel: Path
    initrd: Path
    rootfs: Path
    """Squashfs, read-only."""
    digest: str
    """`mptcp_appliance.manifest.Manifest.digest`."""
    command_line: str
    """What the kernel must be told."""
    manifest: Path
    """JSON: package versions, kernel release, digests, inputs."""


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def read_manifest(directory: Path) -> Manifest:
    """Read the manifest in an image's folder.

    Raises:
        ImageError: It cannot be read.
    """
    path = directory / MANIFEST
    try:
        return manifest.parse(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as e:
        raise ImageError(f"the manifest {path} cannot be read: {e}", hint=again(directory)) from e


def read(directory: Path) -> Image:
    """Find an image's files; their sizes are compared with the manifest, their content is not.

    Raises:
        ImageError: The manifest cannot be read, or a file is missing or cut off.
    """
    found = read_manifest(directory)
    for name, part in found.parts.items():
        path = directory / name
        size_bytes = path.stat().st_size if path.is_file() else None
        if size_bytes != part.size_bytes:
            there = "is missing" if size_bytes is None else f"has {size_bytes} bytes"
            raise ImageError(
                f"{path} {there}, the manifest says {part.size_bytes} bytes",
                hint=again(directory),
            )
    return Image(
        directory=directory,
        kernel=directory / KERNEL,
        initrd=directory / INITRD,
        rootfs=directory / ROOTFS,
        digest=found.digest,
        command_line=found.command_line,
        manifest=directory / MANIFEST,
    )


def again(directory: Path) -> str:
    """Return the way out of an image that cannot be used."""
    return f"Remove the folder {directory} and run again: the image is then built anew."
