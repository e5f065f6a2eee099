"""Who is on a link: an Ethernet address and the IP addresses that belong to it."""

from dataclasses import dataclass

MAC_BYTES = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Station:
    """One station."""

    mac: bytes
    """Six bytes."""
    ipv4: bytes
    """Four bytes, zero if unknown."""
    ipv6: bytes
    """Sixteen bytes, zero if unknown."""


def sent_by(frame: bytes, station: Station) -> bytes:
    """Return the frame with the station's Ethernet address as its source."""
    return frame[:MAC_BYTES] + station.mac + frame[2 * MAC_BYTES :]


def sent_to(frame: bytes, station: Station) -> bytes:
    """Return the frame for the station, unless it is for a group (IEEE 802.3, first bit)."""
    return frame if frame[0] & 1 else station.mac + frame[MAC_BYTES:]
