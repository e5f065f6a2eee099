"""`mptcp-check image`: the appliance's image on this computer."""

import click

from mptcp_appliance import cache, images
from mptcp_appliance.image import read as read_image
from mptcp_appliance.verify import verify as verify_image
from mptcp_check import settings
from mptcp_check.cli import image_test, live
from mptcp_check.doctor import IMAGE
from mptcp_check.errors import PreflightError


@click.group()
def image() -> None:
    """Build and verify the image that the machines boot."""


@image.command()
def build() -> None:
    """Build the image, unless the cache has it; say where it is."""
    with live.watching(live.console()) as watch:
        watch.step("Building the appliance image: kernel from source, packages from Debian")
        built = cache.ensure(
            images.load(IMAGE), cache_dir=settings.places().images, progress=watch.detail
        )
    click.echo(str(built.directory))


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
