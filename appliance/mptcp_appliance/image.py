"""A built image: its files, and the manifest that says what they are made of."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mptcp_appliance import durable, manifest, strict_json
from mptcp_appliance.errors import ImageError
from mptcp_appliance.manifest import (
    INITRD,
    INTERFACE,
    KERNEL,
    MANIFEST,
    PARTS,
    ROOTFS,
    Manifest,
    Part,
)

_CHUNK_BYTES = 8 << 20
"""Large: between two of them a thread waits for the interpreter, if others use it."""


FETCHED: Final = "fetched"
"""Folder of the cache for images from catalogues."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """From where an image was fetched."""

    catalogue: str
    """URL of its folder."""
    added: int
    """Version of the catalogue in which the image first stood: the larger, the newer."""
    fetched_s: int
    """When it was fetched, or found to be here already; seconds since 1970."""


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
    parts: Mapping[str, Part]
    """The files that are there, by name."""
    name: str = ""
    architecture: str = ""
    """Debian's name."""
    interface: int = INTERFACE
    """See `mptcp_appliance.manifest.INTERFACE`."""
    kernel_release: str = ""
    origin: Origin | None = None
    """From which catalogue it came; none if it was built here."""

    def part(self, format_name: str) -> Path:
        """Return the file of a format, such as a disk.

        Raises:
            ImageError: It is not here.
        """
        for name, part in self.parts.items():
            if part.format == format_name:
                return self.directory / name
        there = sorted({part.format for part in self.parts.values()})
        way = f"mptcp-check image fetch --format {format_name}" if self.origin else ""
        raise ImageError(
            f"the image {self.directory.name} is not here as {format_name}, "
            f"but as {', '.join(there)}",
            hint=f"run: {way}" if way else "build that format first",
        )


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    digest, buffer = hashlib.sha256(), bytearray(_CHUNK_BYTES)
    with path.open("rb", buffering=0) as stream, memoryview(buffer) as view:
        while size_bytes := stream.readinto(view):
            digest.update(view[:size_bytes])
    return digest.hexdigest()


def read_manifest(directory: Path) -> Manifest:
    """Read the manifest in an image's folder.

    Raises:
        ImageError: It cannot be read.
    """
    path = directory / MANIFEST
    try:
        return manifest.parse(strict_json.read_limited(path, manifest.LIMIT_BYTES))
    except (FileNotFoundError, NotADirectoryError) as e:
        raise ImageError(
            f"{directory} is not the folder of an image: it has no {MANIFEST}",
            hint="`mptcp-check image list --json` names the folders of those that are here",
        ) from e
    except OSError as e:
        raise ImageError(f"the manifest {path} cannot be read: {e.strerror or e}") from e
    except ValueError as e:
        raise ImageError(f"the manifest {path} cannot be read: {e}", hint=again(directory)) from e


def read(directory: Path) -> Image:
    """Find an image's files; their sizes are compared with the manifest, their content is not.

    What boots must be there. Other parts may be absent, for nobody asked for them.

    Raises:
        ImageError: The manifest cannot be read, or a file is missing or cut off.
    """
    found = read_manifest(directory)
    there = {}
    for name, part in found.parts.items():
        path = directory / name
        size_bytes = path.stat().st_size if path.is_file() else None
        if size_bytes == part.size_bytes:
            there[name] = part
        elif size_bytes is not None or name in PARTS:
            words = "is missing" if size_bytes is None else f"has {size_bytes} bytes"
            raise ImageError(
                f"{path} {words}, the manifest says {part.size_bytes} bytes",
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
        name=found.name,
        architecture=found.architecture,
        interface=found.interface,
        kernel_release=found.kernel_release,
        parts=there,
    )


def add_parts(directory: Path, kinds: Mapping[str, tuple[str, str]]) -> Image:
    """Put files that lie in an image's folder into its manifest.

    Args:
        directory: Of an image that was built here.
        kinds: Role and format by file name.

    Raises:
        ImageError: A file or the manifest cannot be read or written, or cannot be a part; or
            the image is from a catalogue, whose key vouches for what it is.
    """
    path = directory / MANIFEST
    if directory.parent.name == FETCHED:
        raise ImageError(
            f"the image {directory.name} is from a catalogue: nothing can be added to it",
            hint="add it where the image is built, before it is signed",
        )
    read_manifest(directory)
    try:
        added = {
            name: Part(
                sha256=file_digest(directory / name),
                size_bytes=(directory / name).stat().st_size,
                role=role,
                format=kind,
            )
            for name, (role, kind) in kinds.items()
        }
        text = manifest.with_parts(path.read_text(encoding="utf-8"), added)
        durable.replace(path, text.encode(), mode=0o644)
    except (OSError, ValueError) as e:
        raise ImageError(f"{path} cannot be extended: {e}") from e
    return read(directory)


def again(directory: Path, origin: Origin | None = None) -> str:
    """Return the way out of an image that cannot be used."""
    if origin is not None:
        return f"Run `mptcp-check image fetch {origin.catalogue}`: it is fetched again."
    if directory.parent.name == FETCHED:
        return f"Run `mptcp-check image fetch`, or remove the folder {directory}."
    return f"If it was built here, remove the folder {directory}: the next run builds it anew."
