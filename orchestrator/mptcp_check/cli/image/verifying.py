"""`mptcp-check image verify`: are images still what was built, and what was signed?"""

from pathlib import Path

import click

from mptcp_appliance import image as images
from mptcp_appliance import signing, store, strict_json
from mptcp_appliance.errors import ImageError
from mptcp_appliance.image import Image
from mptcp_appliance.manifest import LIMIT_BYTES, MANIFEST
from mptcp_appliance.signing import SUFFIX, PublicKey
from mptcp_appliance.verify import verify as verify_digests
from mptcp_check import settings
from mptcp_check.cli.image.keys import public_key
from mptcp_check.errors import PreflightError


@click.command()
@click.argument("folder", nargs=-1, type=click.Path(path_type=Path))
@click.option("--key", help="Public key, or a file with it: the images must be signed by it.")
def verify(*, folder: tuple[Path, ...], key: str | None) -> None:
    """Compare images with their manifests, and their signatures with the trusted keys.

    FOLDER is that of an image; without one, all images on this computer are verified. The same
    happens before every boot: digests of all files for every image, and the signature for one
    that came from a catalogue. An image that was built here is trusted by its own manifest.
    """
    places = settings.places()
    trusted = public_key(key) if key else None
    here = [*store.built_folders(places.images), *store.fetched_folders(places.images)]
    chosen = folder or here
    if not chosen:
        raise PreflightError(
            f"there is no image in {places.images}",
            hint="`mptcp-check image build` or `mptcp-check image fetch`",
        )
    refused = [error for path in chosen if (error := _problem(path, trusted, places.catalogues))]
    if refused:
        for error in refused[:-1]:
            click.echo(f"mptcp-check: {error.message}\n  next step: {error.hint}", err=True)
        raise refused[-1]


def _problem(path: Path, trusted: PublicKey | None, pins: Path) -> ImageError | None:
    """Say that an image is good, or return what is wrong with it."""
    try:
        found = store.read(path)
        if trusted is None:
            store.check(found, pins=pins)
            by = f"signed for {found.origin.catalogue}" if found.origin else "as its manifest says"
        else:
            _require_signed(found, trusted)
            by = f"signed by {trusted.name}"
    except ImageError as e:
        return e
    click.echo(f"{path}: {found.digest[:16]}, {by}")
    return None


def _require_signed(found: Image, key: PublicKey) -> None:
    proof = found.directory / f"{MANIFEST}{SUFFIX}"
    try:
        content = strict_json.read_limited(found.manifest, LIMIT_BYTES)
        signature = signing.parse_signature(strict_json.read_limited(proof, signing.LIMIT_BYTES))
        signing.verify(content, signature, key)
    except (OSError, ValueError) as e:
        reason = f"{proof} cannot be read ({e.strerror})" if isinstance(e, OSError) else str(e)
        raise ImageError(f"{found.manifest} is refused: {reason}") from None
    verify_digests(images.read(found.directory))
