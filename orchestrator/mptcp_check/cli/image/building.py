"""`mptcp-check image build`: the image, from Debian's packages."""

import click

from mptcp_appliance import cache, images
from mptcp_check import settings
from mptcp_check.cli import live
from mptcp_check.doctor import IMAGE


@click.command()
def build() -> None:
    """Build the image, unless the cache has it; say where it is.

    What is built here is trusted by its own manifest, and goes before what is fetched.
    """
    with live.watching(live.console()) as watch:
        watch.step("Building the appliance image from Debian's packages")
        built = cache.ensure(
            images.load(IMAGE), cache_dir=settings.places().images, progress=watch.detail
        )
    click.echo(str(built.directory))
