"""The catalogue: one signed document that says which images there are, and until when it holds.

Schema `mptcp-check.catalogue/1`. It lies beside the folders of its images on any static web
server, its signature beside it. The version rises with every signing: who has seen one never
takes an older one. An image's folder is never changed once it is published.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from mptcp_appliance import manifest, strict_json
from mptcp_appliance.manifest import Manifest, Part

SCHEMA: Final = "mptcp-check.catalogue/1"
CATALOGUE: Final = "catalogue.json"

LIMIT_BYTES: Final = 4 << 20
"""No catalogue is larger: room for a thousand images."""

MOST_IMAGES: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One image."""

    folder: str
    """Beside the catalogue; its files lie in it under their own names."""
    name: str
    architecture: str
    """Debian's name."""
    interface: int
    """`mptcp_appliance.manifest.INTERFACE` of the tool that built it."""
    kernel_release: str
    added: int
    """Version of the catalogue in which it first stood: the larger, the newer."""
    digest: str
    """`mptcp_appliance.manifest.Manifest.digest`."""
    manifest: Part
    """The manifest itself."""
    parts: Mapping[str, Part]
    """By file name, as in the manifest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """What the document says."""

    title: str
    """Whose it is, for people."""
    version: int
    created_s: int
    """Seconds since 1970."""
    expires_s: int
    """Seconds since 1970; from then on nobody takes it for the present state."""
    images: tuple[Entry, ...]


def entry(found: Manifest, *, content: bytes, added: int) -> Entry:
    """Return how a catalogue lists an image.

    Args:
        found: The image's manifest.
        content: The file it was read from.
        added: Version of the catalogue.
    """
    digest = manifest.part_of(content)
    return Entry(
        folder=f"{found.name}-{found.architecture}-{digest.sha256[:16]}",
        name=found.name,
        architecture=found.architecture,
        interface=found.interface,
        kernel_release=found.kernel_release,
        added=added,
        digest=found.digest,
        manifest=digest,
        parts=found.parts,
    )


def newest(
    images: Iterable[Entry], *, name: str, architecture: str, interface: int
) -> Entry | None:
    """Return the newest image of a name that this tool can boot on this kind of machine."""
    fitting = [
        image
        for image in images
        if (image.name, image.architecture, image.interface) == (name, architecture, interface)
    ]
    return max(fitting, key=lambda image: (image.added, image.folder), default=None)


def write(catalogue: Catalogue) -> bytes:
    """Return the document."""
    return strict_json.written(
        {
            "schema": SCHEMA,
            "title": catalogue.title,
            "version": catalogue.version,
            "created": strict_json.time_text(catalogue.created_s),
            "expires": strict_json.time_text(catalogue.expires_s),
            "images": [
                {
                    "folder": image.folder,
                    "name": image.name,
                    "architecture": image.architecture,
                    "interface": image.interface,
                    "kernel_release": image.kernel_release,
                    "added": image.added,
                    "digest": image.digest,
                    "manifest": {
                        "sha256": image.manifest.sha256,
                        "bytes": image.manifest.size_bytes,
                    },
                    "parts": manifest.part_rows(image.parts),
                }
                for image in catalogue.images
            ],
        }
    )


def parse(data: bytes) -> Catalogue:
    """Read the document.

    Raises:
        ValueError: It is none; the message says in which point.
    """
    if len(data) > LIMIT_BYTES:
        raise ValueError(f"it is larger than {LIMIT_BYTES} bytes")
    table = strict_json.table(data, schema=SCHEMA)
    found = Catalogue(
        title=strict_json.text(table, "title", limit_chars=200),
        version=strict_json.count(table, "version", least=1),
        created_s=strict_json.time_s(table, "created"),
        expires_s=strict_json.time_s(table, "expires"),
        images=tuple(map(_entry, strict_json.rows(table, "images", limit=MOST_IMAGES))),
    )
    if len({image.folder.casefold() for image in found.images}) != len(found.images):
        raise ValueError("two images have the same folder")
    if any(image.added > found.version for image in found.images):
        raise ValueError("an image was added in a version to come")
    return found


def _entry(row: strict_json.Table) -> Entry:
    about = row.get("manifest")
    if not isinstance(about, dict):
        raise ValueError("an image has no manifest")  # noqa: TRY004 - bad text, not a bad call
    found = Entry(
        folder=strict_json.file_name(row.get("folder")),
        name=strict_json.text(row, "name", limit_chars=100),
        architecture=strict_json.text(row, "architecture", limit_chars=100),
        interface=strict_json.count(row, "interface"),
        kernel_release=strict_json.text(row, "kernel_release", limit_chars=100),
        added=strict_json.count(row, "added", least=1),
        digest=strict_json.sha256(row, "digest"),
        manifest=Part(
            sha256=strict_json.sha256(about),
            size_bytes=strict_json.count(about, "bytes", least=1, most=manifest.LIMIT_BYTES),
        ),
        parts=manifest.parse_parts(row, "parts"),
    )
    if manifest.digest(found.parts) != found.digest:
        raise ValueError(f"the digest of {found.folder} is not that of its parts")
    return found
