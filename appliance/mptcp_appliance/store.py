"""All images on this computer: those that were built here, and those from a catalogue.

An image that was built here lies in the cache under the digest of what it is made of, and is
trusted by its manifest: who could change one could change the other. An image from a catalogue
lies below `FETCHED` and is trusted by the catalogue's key, at every boot anew.
"""

import dataclasses
import platform
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from mptcp_appliance import cache, image, manifest, plan, rollback, signing, strict_json
from mptcp_appliance.declaration import Declaration
from mptcp_appliance.errors import ImageError
from mptcp_appliance.image import FETCHED, Image, Origin
from mptcp_appliance.manifest import INTERFACE, MANIFEST, Manifest
from mptcp_appliance.signing import SUFFIX, PublicKey
from mptcp_appliance.verify import verify

ORIGIN: Final = "origin.json"
"""Beside the manifest of a fetched image: from where it came."""

SCHEMA: Final = "mptcp-check.origin/1"
_ORIGIN_LIMIT_BYTES: Final = 64 << 10


def find(
    declaration: Declaration, *, cache_dir: Path, architecture: str | None = None
) -> Image | None:
    """Return the image to boot: the one built here from this declaration, else the last fetched.

    Args:
        declaration: What is wanted.
        cache_dir: Need not exist.
        architecture: Debian's name; this computer's if none is given.

    Raises:
        ImageError: What lies in its place is damaged.
    """
    built = cache.find(declaration, cache_dir=cache_dir, architecture=architecture)
    if built is not None:
        return built
    architecture = architecture or plan.architecture(platform.machine())
    fitting = [
        found
        for directory in fetched_folders(cache_dir)
        if directory.name.startswith(f"{declaration.name}-{architecture}-")
        and (found := read(directory)).interface == INTERFACE
        and (found.name, found.architecture) == (declaration.name, architecture)
    ]
    return max(fitting, key=_age, default=None)


def check(found: Image, *, pins: Path) -> None:
    """See that an image is what it was built as, and for one from a catalogue that its key says so.

    Args:
        found: What shall be booted or imported.
        pins: The file of `mptcp_appliance.rollback`.

    Raises:
        ImageError: It is not, or its catalogue is not trusted here.
    """
    if found.origin is not None:
        _check_signature(found, found.origin, pins)
    verify(found)


def require_signed(found: Image, key: PublicKey) -> None:
    """See that a key signed an image's manifest, and that it is the one that was read.

    Raises:
        ValueError: It did not; the message is the reason.
    """
    proof = found.directory / f"{MANIFEST}{SUFFIX}"
    try:
        content = strict_json.read_limited(found.manifest, manifest.LIMIT_BYTES)
        signature = signing.parse_signature(strict_json.read_limited(proof, signing.LIMIT_BYTES))
    except OSError as e:
        raise ValueError(f"{e.filename} cannot be read: {(e.strerror or '').lower()}") from None
    except ValueError as e:
        raise ValueError(f"{proof}: {e}") from None
    try:
        signing.verify(content, signature, key)
        _require_same(found, manifest.parse(content))
    except ValueError as e:
        raise ValueError(f"{found.manifest}: {e}") from None


def read(directory: Path) -> Image:
    """Read the image in a folder of the cache.

    Raises:
        ImageError: It is damaged; one below `FETCHED` must say where it came from.
    """
    found = image.read(directory)
    if directory.parent.name != FETCHED:
        return found
    path = directory / ORIGIN
    try:
        origin = parse_origin(strict_json.read_limited(path, _ORIGIN_LIMIT_BYTES))
    except (OSError, ValueError) as e:
        raise ImageError(
            f"{path} does not say where the image came from: {e}", hint=image.again(directory)
        ) from e
    return dataclasses.replace(found, origin=origin)


def fetched_folders(cache_dir: Path) -> Iterator[Path]:
    """Yield the folder of each image from a catalogue; what is on its way is none."""
    for path in sorted((cache_dir / FETCHED).glob(f"*/{MANIFEST}")):
        if not path.parent.name.startswith("."):
            yield path.parent


def built_folders(cache_dir: Path) -> Iterator[Path]:
    """Yield the folder of each image that was built here."""
    for path in sorted(cache_dir.glob(f"*/{MANIFEST}")):
        if not path.parent.name.startswith("."):
            yield path.parent


def parse_origin(data: bytes) -> Origin:
    """Read what stands in `ORIGIN`.

    Raises:
        ValueError: It is something else.
    """
    table = strict_json.table(data, schema=SCHEMA)
    return Origin(
        catalogue=strict_json.text(table, "catalogue"),
        added=strict_json.count(table, "added", least=1),
        fetched_s=strict_json.count(table, "fetched_s"),
    )


def write_origin(origin: Origin) -> bytes:
    """Return the content of `ORIGIN`."""
    return strict_json.written(
        {
            "schema": SCHEMA,
            "catalogue": origin.catalogue,
            "added": origin.added,
            "fetched_s": origin.fetched_s,
        }
    )


def _age(found: Image) -> tuple[int, int, str]:
    """Return what grows: versions of two catalogues cannot be compared, times of fetching can."""
    origin = found.origin
    return (origin.fetched_s, origin.added, found.directory.name) if origin else (0, 0, "")


def _check_signature(found: Image, origin: Origin, pins: Path) -> None:
    pin = rollback.pins(pins).get(origin.catalogue)
    if pin is None:
        raise ImageError(
            f"the image {found.directory.name} came from {origin.catalogue}, "
            "which is not trusted here",
            hint="give its key: `mptcp-check image fetch URL --key KEY`",
        )
    try:
        require_signed(found, pin.key)
    except ValueError as e:
        raise ImageError(
            f"the image {found.directory.name} is refused: {e}",
            hint=f"run: mptcp-check image fetch {origin.catalogue}",
        ) from e


def _require_same(found: Image, signed: Manifest) -> None:
    if signed.command_line != found.command_line or any(
        signed.parts.get(name) != part for name, part in found.parts.items()
    ):
        raise ValueError("it was changed after it was read")
