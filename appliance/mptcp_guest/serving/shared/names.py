"""unbound for many sessions: the names of a content end with its session's marker.

All sessions' texts are one zone, written anew when one changes; so each session may offer only
little at once.  A content's size is bounded, and with it how much there is to read.
"""

import re
import shutil
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from mptcp_guest import messages, payload
from mptcp_guest.messages import Content, Digest
from mptcp_guest.serving import dns
from mptcp_guest.serving.program import Place
from mptcp_guest.serving.sharing import (
    MARKER,
    Caps,
    Shared,
    closed_beside,
    owned,
    write_certificate,
)
from mptcp_guest.serving.shelf import Shelf

OFFER_BYTES_MAX = 256 * 1024
TEXTS = "dns"
"""In a session's closed folder: its lines of the zone."""
OWN = ".dns"
"""Beside the sessions' folders: the zone, and the sockets of the programs that read it."""

_one_writer = threading.Lock()


def _prepare(place: Place, wanted: messages.ServiceWanted, caps: Caps) -> list[str]:
    closed = closed_beside(place.files)
    own = owned(closed / OWN)
    control = own / f"{place.directory.name}{dns.CONTROL}"
    control.unlink(missing_ok=True)
    if wanted["service"] == dns.TLS.name:
        write_certificate(place, caps.keys)
    with _one_writer:
        dns.write_zone(own, list(_texts(closed)))
    text = dns.configuration(
        place.directory,
        own,
        control,
        wanted=wanted,
        user="",
        connections_count=caps.connections_count,
    )
    place.written("unbound.conf", text)
    return dns.command(place.directory)


def _texts(closed: Path) -> Iterator[str]:
    for session in sorted(closed.iterdir()):
        if re.fullmatch(MARKER, session.name):
            for path in sorted(session.glob(f"{TEXTS}/*.txt")):
                with suppress(FileNotFoundError):  # a session that ends just now
                    yield path.read_text()


def _publish(session: Path) -> None:
    with _one_writer:
        dns.write_zone(owned(session.parent / OWN), list(_texts(session.parent)))


def _offer(session: Path, name: str, content: Content) -> Digest:
    (session / TEXTS).mkdir(mode=0o700, exist_ok=True)
    for former in (session / TEXTS).glob("*.txt"):
        former.unlink()  # one at a time
    lines = dns.texts(f"{name}.{session.name}", b"".join(payload.blocks(content)))
    (session / TEXTS / f"{name}.txt").write_text("".join(lines))
    _publish(session)
    return payload.digest(content)


def _received(_: Path, __: str) -> Digest | None:
    return None


def _discard(session: Path, name: str) -> None:
    path = session / TEXTS / f"{name}.txt"
    if path.exists():
        path.unlink()
        _publish(session)


def _forget(session: Path) -> None:
    if (session / TEXTS).exists():
        shutil.rmtree(session / TEXTS, ignore_errors=True)
        _publish(session)


_SHARED = Shared(
    prepare=_prepare,
    shelf=Shelf(offer=_offer, received=_received, discard=_discard),
    closed=True,
    forget=_forget,
    offer_bytes_max=OFFER_BYTES_MAX,
)

SHARED: Mapping[str, Shared] = {dns.PROGRAM.name: _SHARED, dns.TLS.name: _SHARED}
