"""`mptcp-check image build`: the image, its kernel from source and the rest from packages."""

from pathlib import Path

import click

from mptcp_appliance import cache, disk, images
from mptcp_appliance.verify import verify
from mptcp_check import settings
from mptcp_check.cli import live
from mptcp_check.errors import UsageError
from mptcp_check.settings import IMAGE


@click.command()
@click.option(
    "--architecture",
    type=click.Choice(cache.ARCHITECTURES),
    help="For computers with another processor: arm64 is Apple silicon too.  [default: this one's]",
)
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
def build(architecture: str | None, form: str | None, output: Path | None) -> None:
    """Build the image, unless the cache has it; say where it is.

    What is built here is trusted by its own manifest, and goes before what is fetched. Images
    are built on Debian; elsewhere `mptcp-check image fetch` takes one from a catalogue.

    \b
    Examples:
      mptcp-check image build
      mptcp-check image build --architecture arm64
      mptcp-check image build --format box-libvirt --output appliance.box
    """  # noqa: D301 - \b is click's
    if output is not None and form is None:
        raise UsageError("--output without --format", hint="say which --format it shall have")
    with live.watching(live.console()) as watch:
        wanted, place = images.load(IMAGE), settings.places().images
        there = cache.find(wanted, cache_dir=place, architecture=architecture)
        if there is None:
            watch.step("Building the appliance image: kernel from source, packages from Debian")
        built = there or cache.ensure(
            wanted, cache_dir=place, progress=watch.detail, architecture=architecture
        )
        if form is None:
            made = built.directory
        else:
            watch.step(f"Writing it as {form}")
            verify(built)
            made = output or Path(f"appliance.{form}")
            disk.make(built, form, made, watch.detail)
    click.echo(str(made))
