"""The manifest of an image: what its files are and what they are made of, as JSON.

Schema `mptcp-check.image/2`. Every file of an image but the manifest and its signature is a
part: a name, a role, a format, a size and a digest. What boots directly, `PARTS`, is always
there; other parts come with what they are for (a disk for a hypervisor, the bill of materials).
A reader that meets a role or format it does not know checks its digest and does not use it;
keys that it does not know are facts for people. A change that such a reader would get wrong
gets another number in the schema, and is refused by those who do not know that.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from mptcp_appliance import strict_json

SCHEMA: Final = "mptcp-check.image/2"

INTERFACE: Final = 1
"""What tool and image must agree on: words of the kernel's command line, where the keys of a
run lie, the management port. Raised with each change that an older tool or image would not
survive; an image of another number is not offered and not booted."""

KERNEL: Final = "kernel"
INITRD: Final = "initrd.img"
ROOTFS: Final = "rootfs.squashfs"
SBOM: Final = "sbom.cdx.json"
KERNEL_CONFIG: Final = "kernel.config"
EFI_KERNEL: Final = "kernel.efi"
"""The kernel as UEFI firmware and boot loaders start it; `KERNEL` is what QEMU starts fastest."""
MANIFEST: Final = "manifest.json"

PARTS: Final = (KERNEL, INITRD, ROOTFS)
"""The files that make a machine boot; the digest of an image covers them."""

KINDS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        KERNEL: ("kernel", "direct"),
        INITRD: ("initrd", "direct"),
        ROOTFS: ("rootfs", "direct"),
        EFI_KERNEL: ("kernel", "efi"),
        SBOM: ("sbom", "cyclonedx-json"),
        KERNEL_CONFIG: ("kernel-config", "kconfig"),
    }
)
"""Role and format of the parts that every build makes."""

LIMIT_BYTES: Final = 4 << 20
"""No manifest is larger."""

LARGEST_PART_BYTES: Final = 16 << 30
MOST_PARTS: Final = 64

_WORD = re.compile(r"[a-z0-9][a-z0-9-]{0,39}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One file of an image, as it was built."""

    sha256: str
    """In hexadecimal."""
    size_bytes: int
    role: str = ""
    """What it is for: ``kernel``, ``disk``, ...; empty means what `KINDS` says."""
    format: str = ""
    """``direct`` is booted as it is; others name a disk format or a box: ``qcow2``, ...."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What must be known of an image to use it."""

    name: str
    architecture: str
    """Debian's name."""
    interface: int
    """`INTERFACE` of the tool that built it."""
    kernel_release: str
    command_line: str
    parts: Mapping[str, Part]
    """By file name; `PARTS` come first, in their order."""

    @property
    def digest(self) -> str:
        """See `digest`."""
        return digest(self.parts)


def digest(parts: Mapping[str, Part]) -> str:
    """Return the SHA-256 in hexadecimal of the lines ``DIGEST  NAME`` of `PARTS` in their order."""
    lines = "".join(f"{parts[name].sha256}  {name}\n" for name in PARTS)
    return hashlib.sha256(lines.encode()).hexdigest()


def write(parts: Mapping[str, Part], *, command_line: str, facts: Mapping[str, object]) -> str:
    """Return the text of a manifest.

    Args:
        parts: The files as they were built.
        command_line: What the kernel must be told.
        facts: What else is known: name, architecture, package versions, kernel release, inputs.

    Raises:
        ValueError: A part has a name, role or format that no reader would take.
    """
    table = {
        "schema": SCHEMA,
        "interface": INTERFACE,
        "digest": "",
        "command_line": command_line,
        "files": {},
        **facts,
    }
    return _text(table, parts)


def with_parts(text: str, parts: Mapping[str, Part]) -> str:
    """Return a manifest with further parts, or others of the same names; all else stays.

    Raises:
        ValueError: The text is no manifest, or a part cannot be one.
    """
    table = dict(strict_json.table(text.encode(), schema=SCHEMA))
    return _text(table, {**parse(text).parts, **parts})


def parse(text: str | bytes) -> Manifest:
    """Read the text of a manifest.

    Raises:
        ValueError: It is not one; the message says in which point.
    """
    table = strict_json.table(text.encode() if isinstance(text, str) else text, schema=SCHEMA)
    found = Manifest(
        name=strict_json.text(table, "name", limit_chars=100, absent=""),
        architecture=strict_json.text(table, "architecture", limit_chars=100, absent=""),
        interface=strict_json.count(table, "interface"),
        kernel_release=strict_json.text(table, "kernel_release", limit_chars=100, absent=""),
        command_line=strict_json.text(table, "command_line"),
        parts=parse_parts(table, "files"),
    )
    if table.get("digest") != found.digest:
        raise ValueError("its digest is not that of its parts")
    return found


def parse_parts(table: strict_json.Table, key: str) -> dict[str, Part]:
    """Read a table of parts; `PARTS` come first.

    Raises:
        ValueError: A part of `PARTS` is missing, or one cannot be one.
    """
    found = table.get(key)
    if not isinstance(found, dict) or len(found) > MOST_PARTS:
        raise ValueError(f"{key} is not a table of at most {MOST_PARTS} files")
    parts = {_name(name): _part(name, row) for name, row in found.items()}
    missing = [name for name in PARTS if name not in parts]
    if missing:
        raise ValueError(f"it does not describe the file {missing[0]}")
    if len({name.casefold() for name in parts}) != len(parts):
        raise ValueError("two names differ only by upper and lower case")
    return {name: parts[name] for name in (*PARTS, *sorted(parts.keys() - set(PARTS)))}


def part_rows(parts: Mapping[str, Part]) -> dict[str, dict[str, object]]:
    """Return parts as `parse_parts` reads them."""
    rows = {}
    for name, part in parts.items():
        role, kind = KINDS.get(name, ("", ""))
        rows[name] = {
            "role": part.role or role,
            "format": part.format or kind,
            "sha256": part.sha256,
            "bytes": part.size_bytes,
        }
    return rows


def _text(table: Mapping[str, object], parts: Mapping[str, Part]) -> str:
    whole = parse_parts({"files": part_rows(parts)}, "files")
    return strict_json.written(
        {**table, "digest": digest(whole), "files": part_rows(whole)}
    ).decode()


def _name(name: object) -> str:
    found = strict_json.file_name(name)
    if found.casefold().startswith(MANIFEST):
        raise ValueError(f"a part cannot be called {found}")
    return found


def _part(name: str, row: object) -> Part:
    if not isinstance(row, dict):
        raise ValueError(f"it does not describe the file {name}")  # noqa: TRY004 - bad text, not a bad call
    words = {key: row.get(key) for key in ("role", "format")}
    for key, word in words.items():
        if not isinstance(word, str) or not _WORD.fullmatch(word):
            raise ValueError(f"{name}: {key} is not a word of small letters, digits and hyphens")
    return Part(
        sha256=strict_json.sha256(row),
        size_bytes=strict_json.count(row, "bytes", least=1, most=LARGEST_PART_BYTES),
        role=str(words["role"]),
        format=str(words["format"]),
    )


def part_of(content: bytes) -> Part:
    """Return size and digest of a file that is at hand."""
    return Part(sha256=hashlib.sha256(content).hexdigest(), size_bytes=len(content))
