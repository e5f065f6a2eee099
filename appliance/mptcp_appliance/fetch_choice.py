"""Which image of a catalogue is wanted, and which of its parts."""

from dataclasses import dataclass
from typing import Final

from mptcp_appliance import catalogue, manifest
from mptcp_appliance.catalogue import Catalogue, Entry
from mptcp_appliance.errors import ImageError
from mptcp_appliance.manifest import Part

_ALWAYS: Final = frozenset({"direct", "efi", "cyclonedx-json", "kconfig"})
"""Formats that come with every image."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which image."""

    name: str
    architecture: str
    """Debian's name."""
    formats: tuple[str, ...] = ()
    """Beside what boots directly: ``qcow2``, ..., as the catalogue calls them."""


def choose(offered: Catalogue, wanted: Wanted, *, url: str) -> tuple[Entry, dict[str, Part]]:
    """Return the image that fits best, and which of its parts are wanted.

    Raises:
        ImageError: There is none, or not in a format that is asked for.
    """
    entry = catalogue.newest(
        offered.images,
        name=wanted.name,
        architecture=wanted.architecture,
        interface=manifest.INTERFACE,
    )
    if entry is None:
        raise _none(offered, wanted, url=url)
    formats = {part.format for part in entry.parts.values()}
    missing = sorted(set(wanted.formats) - formats)
    if missing:
        others = ", ".join(sorted(formats - _ALWAYS))
        raise ImageError(
            f"the catalogue's image {entry.name} does not come as {', '.join(missing)}",
            hint=f"it comes as: {others}"
            if others
            else "it comes as it is booted by QEMU only, without --format",
        )
    kinds = _ALWAYS | set(wanted.formats)
    return entry, {name: part for name, part in entry.parts.items() if part.format in kinds}


def _none(offered: Catalogue, wanted: Wanted, *, url: str) -> ImageError:
    """Return the error for a catalogue without the image, or with one for another version."""
    message = f"the catalogue {url} has no image {wanted.name} for {wanted.architecture}"
    kinds = {(e.name, e.architecture) for e in offered.images}
    if (wanted.name, wanted.architecture) in kinds:
        return ImageError(
            f"{message} that this version of mptcp-check can boot",
            hint="use the version of mptcp-check that its publishers use",
        )
    there = ", ".join(f"{name} {architecture}" for name, architecture in sorted(kinds))
    return ImageError(message, hint=f"it has: {there or 'nothing'}")
