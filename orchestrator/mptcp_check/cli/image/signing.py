"""`mptcp-check image sign`: a catalogue's next version, ready for any static web server."""

from pathlib import Path
from typing import TextIO

import click

from mptcp_appliance import cache, catalogue_folder, disk, signing_key, store, strict_json
from mptcp_appliance import images as declared
from mptcp_appliance.catalogue_folder import Edition
from mptcp_appliance.errors import ImageError
from mptcp_appliance.image import add_parts
from mptcp_appliance.signing import SecretKey
from mptcp_appliance.verify import verify
from mptcp_check import clock, settings
from mptcp_check.cli import live
from mptcp_check.cli.image import keys
from mptcp_check.errors import PreflightError, UsageError
from mptcp_check.settings import IMAGE
from mptcp_check.watch import Watch

DAY_S = 86_400


@click.command()
@click.argument("folder", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--catalogue",
    "place",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder that a web server offers; made, or brought up to date.",
)
@click.option(
    "--secret-key", type=click.Path(path_type=Path), required=True, help="`image keygen` made it."
)
@click.option(
    "--password-file",
    type=click.File(encoding="utf-8"),
    help="A line for each secret key's password; - is standard input.  [default: ask]",
)
@click.option(
    "--days",
    default=90,
    show_default=True,
    type=click.IntRange(1, 3650),
    help="So long it holds; sign again before.",
)
@click.option(
    "--keep",
    default=3,
    show_default=True,
    type=click.IntRange(1, 1000),
    help="So many images of each kind stay.",
)
@click.option(
    "--format",
    "formats",
    multiple=True,
    type=click.Choice(sorted(disk.FORMATS)),
    help="Also publish the images as this; repeat for more.",
)
@click.option("--title", default="", help="Whose catalogue it is, for people.")
@click.option("--renew", is_flag=True, help="Add no image, only put off the expiry.")
@click.option(
    "--old-key",
    type=click.Path(path_type=Path),
    help="The secret key that signed so far, when --secret-key takes over from it.",
)
def sign(  # noqa: PLR0913 - one option each
    *,
    folder: tuple[Path, ...],
    place: Path,
    secret_key: Path,
    password_file: TextIO | None,
    days: int,
    keep: int,
    formats: tuple[str, ...],
    title: str,
    renew: bool,
    old_key: Path | None,
) -> None:
    """Add images to a catalogue and sign its next version.

    FOLDER is that of an image; without one it is the image that was built here, for each
    architecture that it was built for. The images' digests are compared before they are signed.

    \b
    Examples:
      mptcp-check image sign --secret-key lab.key --catalogue /srv/www/images
      mptcp-check image sign --secret-key lab.key --catalogue /srv/www/images --format qcow2
      mptcp-check image sign --renew --secret-key lab.key --catalogue /srv/www/images
    """  # noqa: D301 - \b is click's
    images = () if renew else folder or _built()
    key = _key(secret_key, password_file)
    old = _key(old_key, password_file) if old_key else None
    edition = Edition(now_s=clock.wall_ns() // 10**9, valid_s=days * DAY_S, keep=keep, title=title)
    with live.watching(live.console()) as watch:
        for image in images:
            _write_formats(image, formats, watch)
        watch.step(f"Signing {place}")
        found = catalogue_folder.publish(
            place, images, key, edition, old_key=old, progress=watch.step
        )
    click.echo(
        f"{place}: version {found.version}, {len(found.images)} image(s), "
        f"good until {strict_json.time_text(found.expires_s)}",
        err=True,
    )
    click.echo(key.public.text)


def _built() -> tuple[Path, ...]:
    """Return the folders of the image that was built here, one for each architecture."""
    wanted, place = declared.load(IMAGE), settings.places().images
    found = [
        cache.find(wanted, cache_dir=place, architecture=architecture)
        for architecture in cache.ARCHITECTURES
    ]
    if not any(found):
        raise PreflightError("no image was built here yet", hint="`mptcp-check image build`")
    return tuple(image.directory for image in found if image)


def _write_formats(folder: Path, formats: tuple[str, ...], watch: Watch) -> None:
    """Write an image as disks and boxes, and put them into its manifest."""
    image = store.read(folder)
    there = {part.format for part in image.parts.values()}
    for form in formats:
        if form not in there:
            watch.step(f"Writing {image.name} {image.architecture} as {form}")
            verify(image)
            name = f"{image.name}.{form}"
            disk.make(image, form, folder / name, watch.detail)
            role = "box" if form.startswith("box-") else "disk"
            image = add_parts(folder, {name: (role, form)})


def _key(path: Path, password_file: TextIO | None) -> SecretKey:
    try:
        return signing_key.read(path, lambda: keys.password(password_file, path))
    except ImageError as e:
        raise UsageError(e.message, hint=e.hint) from None
