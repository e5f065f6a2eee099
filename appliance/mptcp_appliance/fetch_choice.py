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
        there = sorted(
            {f"{e.name} {e.architecture} (interface {e.interface})" for e in offered.images}
        )
        raise ImageError(
            f"the catalogue {url} has no image {wanted.name} for {wanted.architecture} "
            f"(interface {manifest.INTERFACE})",
            hint=f"It has: {', '.join(there) or 'nothing'}.",
        )
    formats = {part.format for part in entry.parts.values()}
    missing = sorted(set(wanted.formats) - formats)
    if missing:
        raise ImageError(
            f"the image {entry.folder} does not come as {', '.join(missing)}",
            hint=f"It comes as: {', '.join(sorted(formats))}.",
        )
    kinds = _ALWAYS | set(wanted.formats)
    return entry, {name: part for name, part in entry.parts.items() if part.format in kinds}
