"""Finish a built image: its bill of materials, and the manifest that holds all together."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from mptcp_appliance import manifest, sbom
from mptcp_appliance.image import file_digest
from mptcp_appliance.manifest import MANIFEST, SBOM, Part


def describe(
    output: Path, names: Iterable[str], *, command_line: str, facts: Mapping[str, object]
) -> None:
    """Write bill of materials and manifest beside the files of an image.

    Args:
        output: Where the files lie.
        names: Of the files, see `manifest.KINDS`.
        command_line: What the kernel must be told.
        facts: What the manifest says of the image beside its files.

    Raises:
        OSError: A file cannot be read or written.
    """
    parts = {name: _part(output / name) for name in names}
    document = sbom.write(sbom.contents(facts, parts))
    (output / SBOM).write_bytes(document)
    text = manifest.write(
        {**parts, SBOM: manifest.part_of(document)}, command_line=command_line, facts=facts
    )
    (output / MANIFEST).write_text(text, encoding="utf-8")


def _part(path: Path) -> Part:
    return Part(sha256=file_digest(path), size_bytes=path.stat().st_size)
