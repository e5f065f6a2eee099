"""The manifest of an image: what its files are and what they are made of, as JSON."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

SCHEMA = "mptcp-check.image/1"

KERNEL = "kernel"
INITRD = "initrd.img"
ROOTFS = "rootfs.squashfs"
EFI_KERNEL = "kernel.efi"
"""The kernel as UEFI firmware and boot loaders start it; `KERNEL` is what QEMU starts fastest."""
KERNEL_CONFIG = "kernel.config"
MANIFEST = "manifest.json"

PARTS = (KERNEL, INITRD, ROOTFS)
"""The files that make a machine boot; the digest covers them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One file of an image, as it was built."""

    sha256: str
    """In hexadecimal."""
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What must be known of an image to use it."""

    command_line: str
    parts: Mapping[str, Part]
    """By file name, in the order of `PARTS`."""

    @property
    def digest(self) -> str:
        """SHA-256 in hexadecimal of the lines ``DIGEST  NAME`` of the parts in their order."""
        lines = "".join(f"{part.sha256}  {name}\n" for name, part in self.parts.items())
        return hashlib.sha256(lines.encode()).hexdigest()


def write(parts: Mapping[str, Part], *, command_line: str, facts: Mapping[str, object]) -> str:
    """Return the text of a manifest.

    Args:
        parts: The files as they were built.
        command_line: What the kernel must be told.
        facts: What else is known: package versions, kernel release, inputs.
    """
    manifest = Manifest(command_line=command_line, parts={name: parts[name] for name in PARTS})
    table = {
        "schema": SCHEMA,
        "digest": manifest.digest,
        "command_line": command_line,
        "files": {
            name: {"sha256": part.sha256, "bytes": part.size_bytes}
            for name, part in manifest.parts.items()
        },
        **facts,
    }
    return json.dumps(table, indent=1) + "\n"


def parse(text: str) -> Manifest:
    """Read the text of a manifest.

    Raises:
        ValueError: It is not one; the message says in which point.
    """
    table = json.loads(text)
    if not isinstance(table, dict) or table.get("schema") != SCHEMA:
        raise ValueError(f"it is not of the schema {SCHEMA}")
    command_line, files = table.get("command_line"), table.get("files")
    if not isinstance(command_line, str) or not isinstance(files, dict):
        raise ValueError("it has no command line or no files")  # noqa: TRY004 - bad text, not a bad call
    return Manifest(
        command_line=command_line, parts={name: _part(name, files.get(name)) for name in PARTS}
    )


def _part(name: str, row: object) -> Part:
    match row:
        case {"sha256": str(sha256), "bytes": int(size_bytes)}:
            return Part(sha256=sha256, size_bytes=size_bytes)
        case _:
            raise ValueError(f"it does not describe the file {name}")
