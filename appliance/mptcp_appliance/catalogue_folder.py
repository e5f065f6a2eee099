"""Write a catalogue's folder, which any static web server can serve as it is."""

import contextlib
import errno
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mptcp_appliance import (
    catalogue,
    durable,
    image,
    manifest,
    signing,
    signing_rotation,
    strict_json,
)
from mptcp_appliance.catalogue import CATALOGUE, Catalogue, Entry
from mptcp_appliance.errors import ImageError
from mptcp_appliance.manifest import MANIFEST
from mptcp_appliance.signing import SUFFIX, PublicKey, SecretKey
from mptcp_appliance.verify import verify

_PARTIAL: Final = ".partial-"
_READABLE: Final = 0o644
_ENTERABLE: Final = 0o755


@dataclass(frozen=True, slots=True, kw_only=True)
class Edition:
    """How the next version of a catalogue shall be."""

    now_s: int
    """Seconds since 1970."""
    valid_s: int
    """How long it holds, in seconds."""
    keep: int
    """So many images of each name, architecture and interface stay, the newest."""
    title: str = ""
    """Whose it is; empty: as before."""


def publish(
    folder: Path,
    images: Sequence[Path],
    key: SecretKey,
    edition: Edition,
    *,
    old_key: SecretKey | None = None,
    progress: Callable[[str], None],
) -> Catalogue:
    """Add images to a catalogue, drop the oldest, and sign its next version.

    Without images it is signed anew as it is, which puts off its expiry. Folders of images are
    complete before the catalogue names them, and are removed only after it does not any more.

    Args:
        folder: Made if it is not there.
        images: Folders of images; their digests are compared first.
        key: Signs.
        edition: Time, expiry and what stays.
        old_key: The key that signed so far, if `key` takes over from it.
        progress: Called with one line for each thing that is done.

    Raises:
        ImageError: An image is not as it was built, the folder is somebody else's, or cannot
            be written; what was published before is still there then.
    """
    if old_key is not None and old_key.public == key.public:
        raise ImageError(f"the key {key.public.name} cannot take over from itself")
    with _trouble_named(folder):
        if not folder.exists():
            folder.mkdir(parents=True)
            # whatever our own mask is: a web server is somebody else
            folder.chmod(_ENTERABLE)
        with durable.alone(
            folder / durable.LOCK, lambda: progress(f"Waiting for another writer in {folder}")
        ):
            for remains in folder.glob(f"{_PARTIAL}*"):
                shutil.rmtree(remains)
            before = _before(folder, (old_key or key).public)
            version = before.version + 1 if before else 1
            added = [_add(folder, path, key, version, edition, progress) for path in images]
            listed = _kept((*(before.images if before else ()), *added), edition.keep)
            found = Catalogue(
                title=edition.title or (before.title if before else ""),
                version=version,
                created_s=edition.now_s,
                expires_s=edition.now_s + edition.valid_s,
                images=listed,
            )
            if old_key is not None:
                _hand_over(folder, old_key, key, listed, edition, progress)
            _write_signed(folder / CATALOGUE, catalogue.write(found), key, edition, "catalogue")
            _remove_dropped(folder, before, found, progress)
    return found


def read(folder: Path, key: PublicKey) -> Catalogue:
    """Read the catalogue of a folder that `key` signed.

    Raises:
        ImageError: It cannot be read, or is not signed by that key.
        FileNotFoundError: There is none.
    """
    path = folder / CATALOGUE
    try:
        data = strict_json.read_limited(path, catalogue.LIMIT_BYTES)
        proof = strict_json.read_limited(path.with_name(CATALOGUE + SUFFIX), signing.LIMIT_BYTES)
        signing.verify(data, signing.parse_signature(proof), key)
        return catalogue.parse(data)
    except (OSError, ValueError) as e:
        if not path.exists():
            raise FileNotFoundError(path) from e
        raise ImageError(
            f"the catalogue {path} is refused: {e}",
            hint="sign with the key that signed it, or give that one as --old-key; "
            "a folder that nobody vouches for is not signed",
        ) from e


def _before(folder: Path, key: PublicKey) -> Catalogue | None:
    try:
        return read(folder, key)
    except FileNotFoundError:
        return None


def _add(  # noqa: PLR0917 - one call, the parts of one step
    folder: Path,
    path: Path,
    key: SecretKey,
    version: int,
    edition: Edition,
    progress: Callable[[str], None],
) -> Entry:
    """Copy an image into the folder, unless it is there, and return how it is listed."""
    found = image.read(path)
    content = strict_json.read_limited(found.manifest, manifest.LIMIT_BYTES)
    about = manifest.parse(content)
    if not (about.name and about.architecture):
        raise ImageError(f"the image {path} has no name or no architecture in its manifest")
    absent = sorted(about.parts.keys() - found.parts.keys())
    if absent:
        raise ImageError(
            f"the image {path} lacks {absent[0]}, which its manifest has",
            hint="only whole images are published",
        )
    listed = catalogue.entry(about, content=content, added=version)
    strict_json.file_name(listed.folder)
    final = folder / listed.folder
    partial = folder / f"{_PARTIAL}{listed.folder}"
    if final.is_dir():
        verify(image.read(final))
        _sign_manifest(final, key, listed, edition)
        return listed
    progress(f"Copying {listed.folder}")
    partial.mkdir()
    try:
        partial.chmod(_ENTERABLE)
        for name in about.parts:
            shutil.copyfile(path / name, partial / name)
            (partial / name).chmod(_READABLE)
        durable.replace(partial / MANIFEST, content, mode=_READABLE)
        # what is compared is what will be served
        verify(image.read(partial))
        _sign_manifest(partial, key, listed, edition)
        durable.settle(partial)
        partial.rename(final)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return listed


def _kept(images: Sequence[Entry], keep: int) -> tuple[Entry, ...]:
    """Return the newest images of each kind, one entry for each folder, the newest first."""
    by_folder = {entry.folder: entry for entry in images}
    kept: list[Entry] = []
    counts: dict[tuple[str, str, int], int] = {}
    for entry in sorted(by_folder.values(), key=lambda e: (-e.added, e.folder)):
        kind = (entry.name, entry.architecture, entry.interface)
        counts[kind] = counts.get(kind, 0) + 1
        if counts[kind] <= keep:
            kept.append(entry)
    return tuple(kept)


def _hand_over(  # noqa: PLR0917 - one call, the parts of one step
    folder: Path,
    old: SecretKey,
    new: SecretKey,
    images: Sequence[Entry],
    edition: Edition,
    progress: Callable[[str], None],
) -> None:
    """Let the old key name the new one, and sign with that what stays."""
    progress(f"Handing over from the key {old.public.name} to {new.public.name}")
    path = folder / signing_rotation.file_name(old.public)
    document = signing_rotation.write(old.public, new.public)
    _write_signed(path, document, old, edition, f"hand-over to {new.public.name}")
    for entry in images:
        _sign_manifest(folder / entry.folder, new, entry, edition)


def _sign_manifest(folder: Path, key: SecretKey, entry: Entry, edition: Edition) -> None:
    signature = signing.sign(
        (folder / MANIFEST).read_bytes(),
        key,
        trusted_comment=f"mptcp-check image {entry.name} {entry.architecture} {entry.digest}, "
        f"signed {strict_json.time_text(edition.now_s)}",
    )
    durable.replace(folder / f"{MANIFEST}{SUFFIX}", signature.text.encode(), mode=_READABLE)


def _write_signed(path: Path, content: bytes, key: SecretKey, edition: Edition, what: str) -> None:
    comment = f"mptcp-check {what}, signed {strict_json.time_text(edition.now_s)}"
    signature = signing.sign(content, key, trusted_comment=comment)
    # for a moment they do not fit: who fetches meanwhile asks again
    durable.replace_all(
        {path.with_name(path.name + SUFFIX): signature.text.encode(), path: content},
        mode=_READABLE,
    )


def _remove_dropped(
    folder: Path, before: Catalogue | None, after: Catalogue, progress: Callable[[str], None]
) -> None:
    listed = {entry.folder for entry in after.images}
    for entry in before.images if before else ():
        if entry.folder not in listed:
            progress(f"Removing {entry.folder}")
            shutil.rmtree(folder / entry.folder, ignore_errors=True)


@contextlib.contextmanager
def _trouble_named(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as e:
        full = e.errno in {errno.ENOSPC, errno.EDQUOT}
        reason = "the disk is full" if full else (e.strerror or str(e)).lower()
        raise ImageError(
            f"the catalogue folder {folder} cannot be written: {reason}",
            hint="what was published before is unchanged",
        ) from e
