"""Fetch an image from a catalogue into the cache, whole or not at all."""

import contextlib
import errno
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

from mptcp_appliance import (
    durable,
    fetch_catalogue,
    fetch_choice,
    fetch_part,
    image,
    manifest,
    signing,
    store,
)
from mptcp_appliance.catalogue import Entry
from mptcp_appliance.errors import ImageError
from mptcp_appliance.fetch_catalogue import Trusted
from mptcp_appliance.fetch_choice import Wanted
from mptcp_appliance.fetch_place import Place
from mptcp_appliance.fetch_source import Source, SourceError
from mptcp_appliance.image import Image, Origin
from mptcp_appliance.manifest import MANIFEST, Part
from mptcp_appliance.rollback import Pin
from mptcp_appliance.signing import SUFFIX

_PARTIAL: Final = ".partial-"
_REPLACED: Final = ".replaced-"
_SPARE_BYTES: Final = 32 << 20
Say = Callable[[str], None]
Wait = Callable[[float], None]


def fetch(
    place: Place,
    believed: Trusted,
    wanted: Wanted,
    *,
    now_s: int,
    progress: Say,
    wait: Wait = time.sleep,
) -> Image:
    """Bring an image of a catalogue into the cache; what is there already is not fetched again.

    It takes the place of others of its name from this catalogue: they are older, or signed by a
    key that is not trusted any more, and would only fill the disk. What came before an
    interruption is kept for the next call, out of sight of everything else.

    Args:
        place: The catalogue.
        believed: `trusted`.
        wanted: Which image.
        now_s: Seconds since 1970.
        progress: Called with one line of information, several times a second.
        wait: Lets that many seconds pass.

    Raises:
        ImageError: It cannot be had, or is not what the catalogue announces.
    """
    entry, parts = fetch_choice.choose(believed.catalogue, wanted, url=place.url)
    folder = place.cache_dir / image.FETCHED
    name = f"{entry.folder}-{hashlib.sha256(place.url.encode()).hexdigest()[:8]}"
    final, partial = folder / name, folder / f"{_PARTIAL}{name}"
    with _disk_trouble_named(partial):
        folder.mkdir(parents=True, exist_ok=True)
        with durable.alone(
            folder / durable.LOCK, lambda: progress(f"waiting for another fetch in {folder}")
        ):
            _remove_remains(folder, partial)
            content, proof = _manifest(place, believed.pin, entry, wait)
            origin = Origin(catalogue=place.url, added=entry.added, fetched_s=now_s)
            about = store.write_origin(origin)
            if _complete(final, content, parts):
                proofs = {final / f"{MANIFEST}{SUFFIX}": proof, final / store.ORIGIN: about}
                durable.replace_all(proofs, mode=0o644)
                _remove_others(final, wanted)
                return store.read(final)
            partial.mkdir(exist_ok=True)
            _adopt(final, partial, entry.parts)
            _require_space(partial, parts)
            _parts(place.source, entry, parts, partial, progress, wait)
            (partial / MANIFEST).write_bytes(content)
            (partial / f"{MANIFEST}{SUFFIX}").write_bytes(proof)
            (partial / store.ORIGIN).write_bytes(about)
            durable.settle(partial)
            if final.exists():
                final.rename(folder / f"{_REPLACED}{name}")
            partial.rename(final)
            _remove_remains(folder, partial)
            _remove_others(final, wanted)
    return store.read(final)


def _manifest(place: Place, pin: Pin, entry: Entry, wait: Wait) -> tuple[bytes, bytes]:
    """Return an image's manifest and its signature, both checked."""
    path = f"{entry.folder}/{MANIFEST}"
    try:
        content = fetch_catalogue.small(
            place.source, path, limit_bytes=manifest.LIMIT_BYTES, wait=wait
        )
        proof = fetch_catalogue.small(
            place.source, f"{path}{SUFFIX}", limit_bytes=signing.LIMIT_BYTES, wait=wait
        )
    except SourceError as e:
        raise ImageError(
            f"the image {entry.folder} cannot be fetched: {path}: {e.reason}",
            hint="try again; the catalogue may just have changed",
        ) from e
    try:
        signing.verify(content, signing.parse_signature(proof), pin.key)
        _require_announced(content, entry)
    except ValueError as e:
        raise ImageError(
            f"the image {entry.folder} is refused: {path}: {e}", hint=fetch_catalogue.ASK
        ) from e
    return content, proof


def _require_announced(content: bytes, entry: Entry) -> None:
    if manifest.part_of(content) != entry.manifest:
        raise ValueError("it is not the one that the catalogue announces")
    if manifest.parse(content).parts != entry.parts:
        raise ValueError("it and the catalogue do not have the same parts")


def _complete(final: Path, content: bytes, parts: dict[str, Part]) -> bool:
    """Return whether an image is here with all that is wanted, and unchanged."""
    try:
        return (
            (final / MANIFEST).read_bytes() == content
            and (final / store.ORIGIN).is_file()
            and all(image.file_digest(final / name) == part.sha256 for name, part in parts.items())
        )
    except OSError:
        return False


def _adopt(final: Path, partial: Path, parts: Mapping[str, Part]) -> None:
    """Take over what is here already; its digests are compared like those of what comes."""
    for name in parts:
        if (final / name).is_file() and not (partial / name).exists():
            try:
                os.link(final / name, partial / name)
            except OSError:
                shutil.copyfile(final / name, partial / name)


def _parts(  # noqa: PLR0917 - one call, the parts of one step
    source: Source, entry: Entry, parts: dict[str, Part], partial: Path, progress: Say, wait: Wait
) -> None:
    total_bytes = sum(part.size_bytes for part in parts.values())
    before_bytes = 0
    for name, part in parts.items():

        def said(
            there_bytes: int,
            trouble: str,
            name: str = name,
            part: Part = part,
            before_bytes: int = before_bytes,
        ) -> None:
            percent = 100 * (before_bytes + there_bytes) // total_bytes
            progress(
                f"{name}: {there_bytes / 1e6:.1f} of {part.size_bytes / 1e6:.1f} MB "
                f"({percent} % of {total_bytes / 1e6:.0f} MB)"
                f"{f'; {trouble}, asking again' if trouble else ''}"
            )

        path = f"{entry.folder}/{name}"
        fetch_part.fetch(source, path, partial / name, part, progress=said, wait=wait)
        before_bytes += part.size_bytes


def _require_space(partial: Path, parts: dict[str, Part]) -> None:
    there = sum((partial / name).stat().st_size for name in parts if (partial / name).exists())
    needed_bytes = sum(part.size_bytes for part in parts.values()) - there + _SPARE_BYTES
    free_bytes = shutil.disk_usage(partial).free
    if free_bytes < needed_bytes:
        raise ImageError(
            f"the image needs {needed_bytes // 10**6} MB in {partial.parent}, "
            f"{free_bytes // 10**6} MB are free",
            hint="free some space, or set MPTCP_CHECK_HOME to a folder on another disk",
        )


def _remove_remains(folder: Path, partial: Path) -> None:
    """Remove what earlier calls left, but not the beginning of what is wanted now."""
    for path in (*folder.glob(f"{_PARTIAL}*"), *folder.glob(f"{_REPLACED}*")):
        if path != partial:
            shutil.rmtree(path)


def _remove_others(final: Path, wanted: Wanted) -> None:
    """Remove other images of the same name, architecture and catalogue."""
    # a folder's name ends in the digest of the catalogue's address
    pattern = f"{wanted.name}-{wanted.architecture}-*-{final.name.rpartition('-')[2]}"
    for path in final.parent.glob(pattern):
        if path != final:
            shutil.rmtree(path)


@contextlib.contextmanager
def _disk_trouble_named(partial: Path) -> Iterator[None]:
    try:
        yield
    except OSError as e:
        if e.errno in {errno.ENOSPC, errno.EDQUOT}:
            # what came so far would keep the disk full
            shutil.rmtree(partial, ignore_errors=True)
            raise ImageError(
                f"the disk is full: {partial.parent}; what had come of the image was removed",
                hint="free some space, or set MPTCP_CHECK_HOME to a folder on another disk",
            ) from e
        raise ImageError(
            f"the cache folder {partial.parent} cannot be used: {e.strerror or e}",
            hint="make it writable, or take another folder: MPTCP_CHECK_HOME",
        ) from e
