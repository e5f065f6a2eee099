"""A built image: its three files, and the manifest that says what they are made of."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mptcp_appliance.errors import ImageError

SCHEMA = "mptcp-check.image/1"

KERNEL = "vmlinuz"
INITRD = "initrd.img"
ROOTFS = "rootfs.squashfs"
MANIFEST = "manifest.json"

PARTS = (KERNEL, INITRD, ROOTFS)
"""The files that make a machine boot; the digest covers them."""

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
    """SHA-256 in hexadecimal of the lines ``DIGEST  NAME`` of the three files, in `PARTS`' order."""
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


def digest_of(files: Mapping[str, str]) -> str:
    """Return the digest of an image whose files have these digests, by name."""
    lines = "".join(f"{files[name]}  {name}\n" for name in PARTS)
    return hashlib.sha256(lines.encode()).hexdigest()


def read(directory: Path) -> Image:
    """Read an image's manifest and find its files; their content is not looked at.

    Raises:
        ImageError: The manifest cannot be read or a file is missing.
    """
    manifest = directory / MANIFEST
    try:
        table = read_manifest(manifest)
        command_line = table["command_line"]
        files = {name: table["files"][name]["sha256"] for name in PARTS}
        sizes = {name: table["files"][name]["bytes"] for name in PARTS}
    except (OSError, ValueError, KeyError, TypeError) as e:
        raise ImageError(
            f"the manifest {manifest} cannot be read: {e}", hint=again(directory)
        ) from e
    for name in PARTS:
        path = directory / name
        found = path.stat().st_size if path.is_file() else None
        if found != sizes[name]:
            there = "is missing" if found is None else f"has {found} bytes"
            raise ImageError(
                f"{path} {there}, the manifest says {sizes[name]} bytes", hint=again(directory)
            )
    return Image(
        directory=directory,
        kernel=directory / KERNEL,
        initrd=directory / INITRD,
        rootfs=directory / ROOTFS,
        digest=digest_of(files),
        command_line=str(command_line),
        manifest=manifest,
    )


def read_manifest(path: Path) -> dict[str, dict[str, dict[str, str]]]:
    """Return the content of a manifest.

    Raises:
        OSError: It cannot be read.
        ValueError: It is not a manifest.
    """
    table = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(table, dict) or table.get("schema") != SCHEMA:
        raise ValueError(f"it is not of the schema {SCHEMA}")
    return table


def again(directory: Path) -> str:
    """Return the way out of an image that cannot be used."""
    return f"Remove the folder {directory} and run again: the image is then built anew."
