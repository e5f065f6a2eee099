"""`mptcp-check image`: the appliance's image on this computer."""

from pathlib import Path

import click

from mptcp_appliance import cache, disk, images
from mptcp_appliance.image import read as read_image
from mptcp_appliance.verify import verify as verify_image
from mptcp_check import settings
from mptcp_check.cli import image_test, live
from mptcp_check.doctor import IMAGE
from mptcp_check.errors import PreflightError, UsageError


@click.group()
def image() -> None:
    """Build and verify the image that the machines boot."""


@image.command()
@click.option(
    "--format",
    "form",
    type=click.Choice(sorted(disk.FORMATS)),
    help="Also write it as a disk or a Vagrant box.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File for --format; appliance.FORMAT here without it.",
)
def build(form: str | None, output: Path | None) -> None:
    """Build the image, unless the cache has it; say where it is."""
    if output is not None and form is None:
        raise UsageError("--output without --format", hint="say which --format it shall have")
    with live.watching(live.console()) as watch:
        watch.step("Building the appliance image: kernel from source, packages from Debian")
        built = cache.ensure(
            images.load(IMAGE), cache_dir=settings.places().images, progress=watch.detail
        )
        if form is None:
            place = built.directory
        else:
            watch.step(f"Writing it as {form}")
            verify_image(built)
            place = output or Path(f"appliance.{form}")
            disk.make(built, form, place, watch.detail)
    click.echo(str(place))


@image.command("list")
def list_images() -> None:
    """List the images in the cache: name and digest."""
    for manifest in sorted(settings.places().images.glob("*/manifest.json")):
        found = read_image(manifest.parent)
        click.echo(f"{found.directory.name}  {found.digest}")


@image.command()
def verify() -> None:
    """Compare the image's files with the digests of its manifest."""
    found = cache.find(images.load(IMAGE), cache_dir=settings.places().images)
    if found is None:
        raise PreflightError("the image is not built yet", hint="`mptcp-check image build`")
    verify_image(found)
    click.echo(f"{found.directory}: {found.digest} is as its manifest says", err=True)


image.add_command(image_test.test)
