"""`mptcp-check image verify`: are images still what was built, and what was signed?"""

from pathlib import Path

import click

from mptcp_appliance import images as declared
from mptcp_appliance import store
from mptcp_appliance.errors import ImageError
from mptcp_appliance.signing import PublicKey
from mptcp_appliance.verify import verify as verify_digests
from mptcp_check import settings
from mptcp_check.cli.image.keys import public_key
from mptcp_check.errors import PreflightError
from mptcp_check.settings import IMAGE


@click.command()
@click.argument("folder", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--key", metavar="KEY", help="Public key, or a file with it: the images must be signed by it."
)
@click.option("--all", "every", is_flag=True, help="All images on this computer.")
def verify(*, folder: tuple[Path, ...], key: str | None, every: bool) -> None:
    """Compare images with their manifests, and their signatures with the trusted keys.

    FOLDER is that of an image; without one, it is the image that a run would boot. The same
    happens before every boot: digests of all files for every image, and the signature for one
    that came from a catalogue. An image that was built here is trusted by its own manifest.

    \b
    Examples:
      mptcp-check image verify
      mptcp-check image verify --all
      mptcp-check image verify /srv/www/images/appliance-* --key lab.key.pub
    """  # noqa: D301 - \b is click's
    places = settings.places()
    trusted = public_key(key) if key else None
    chosen = [*folder]
    if every:
        chosen += [*store.built_folders(places.images), *store.fetched_folders(places.images)]
    elif not folder:
        found = store.find(declared.load(IMAGE), cache_dir=places.images)
        chosen += [found.directory] if found else []
    if not chosen:
        raise PreflightError(
            f"there is no image in {places.images}",
            hint="`mptcp-check image build` or `mptcp-check image fetch`",
        )
    refused = [error for path in chosen if (error := _problem(path, trusted, places.catalogues))]
    if refused:
        for error in refused[:-1]:
            step = f"\n  next step: {error.hint}" if error.hint else ""
            click.echo(f"mptcp-check: {error.message}{step}", err=True)
        raise refused[-1]


def _problem(path: Path, trusted: PublicKey | None, pins: Path) -> ImageError | None:
    """Say that an image is good, or return what is wrong with it."""
    try:
        found = store.read(path)
        if trusted is None:
            store.check(found, pins=pins)
            by = f"signed for {found.origin.catalogue}" if found.origin else "as its manifest says"
        else:
            store.require_signed(found, trusted)
            verify_digests(found)
            by = f"signed by {trusted.name}"
    except ImageError as e:
        return e
    except ValueError as e:
        return ImageError(f"the image {path} is refused: {e}")
    click.echo(f"{path}: {found.digest[:16]}, {by}")
    return None
