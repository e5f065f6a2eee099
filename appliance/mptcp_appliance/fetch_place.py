"""A catalogue's address, its key, and what this computer remembers of it."""

import time
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mptcp_appliance import fetch_catalogue, rollback
from mptcp_appliance.errors import ImageError
from mptcp_appliance.fetch_catalogue import Trusted
from mptcp_appliance.fetch_folder import FolderSource
from mptcp_appliance.fetch_http import HttpSource
from mptcp_appliance.fetch_source import Source
from mptcp_appliance.rollback import Pin
from mptcp_appliance.signing import PublicKey

Wait = Callable[[float], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A catalogue, and where this computer keeps what comes from it."""

    url: str
    """`mptcp_appliance.fetch_source.address`."""
    source: Source
    pins: Path
    """The file of `mptcp_appliance.rollback`."""
    cache_dir: Path


def source(url: str, *, agent: str) -> Source:
    """Return what reads a catalogue at an address.

    Args:
        url: `mptcp_appliance.fetch_source.address`.
        agent: What a web server is told who asks.
    """
    if url.startswith("file:"):
        return FolderSource(Path(urllib.request.url2pathname(urllib.parse.urlsplit(url).path)))
    return HttpSource(url, agent=agent)


def trusted(
    place: Place,
    *,
    key: PublicKey | None,
    replace_key: bool,
    now_s: int,
    wait: Wait = time.sleep,
) -> Trusted:
    """Get a catalogue and remember how far it was seen.

    Args:
        place: Which.
        key: The key that the user gave; none if the catalogue is known here.
        replace_key: Whether `key` takes the place of the one that was trusted so far, and
            what was seen before is forgotten.
        now_s: Seconds since 1970.
        wait: Lets that many seconds pass.

    Raises:
        ImageError: No key is known, another one is, or the catalogue must not be believed.
    """
    pin = _pin(rollback.pins(place.pins).get(place.url), place.url, key, replace_key=replace_key)
    found = fetch_catalogue.get(place.source, pin, now_s=now_s, wait=wait)

    def newer(known: Pin | None) -> Pin:
        """Return what is known now, which another process may have changed meanwhile."""
        behind = known is None or replace_key or known.version <= found.pin.version
        return found.pin if behind or known is None else known

    rollback.keep(place.pins, place.url, newer)
    return found


def _pin(known: Pin | None, url: str, key: PublicKey | None, *, replace_key: bool) -> Pin:
    if key is None:
        if known is None:
            raise ImageError(
                f"the catalogue {url} is not known on this computer, so its key must be given",
                hint="`mptcp-check image fetch URL --key KEY`, with the key from those who publish "
                "it, not from the server",
            )
        return known
    if known is None or replace_key:
        return Pin(url=url, key=key)
    if key not in {known.key, *known.former}:
        raise ImageError(
            f"the catalogue {url} is trusted here with the key {known.key.name}, "
            f"{key.name} was given",
            hint="if those who publish it told you so: --replace-key",
        )
    return known
