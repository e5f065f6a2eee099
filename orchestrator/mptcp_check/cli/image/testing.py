"""`mptcp-check image test`: upstream's selftests of Multipath TCP in a machine of the image."""

from collections import Counter

import click

from mptcp_appliance import cache, images, selftests, store
from mptcp_appliance.selftests import Outcome
from mptcp_check import image_test, settings
from mptcp_check.cli import live, variables
from mptcp_check.errors import PreflightError


@click.command()
@click.option(
    "--boot-timeout",
    type=variables.Number(min=1),
    default=120.0,
    show_default=True,
    help="Seconds that the machine may take to boot.",
)
def test(boot_timeout: float) -> None:
    """Run the kernel's own selftests of Multipath TCP in the image.

    They come with the kernel's source and were written by those who wrote the protocol. The image
    that has them is the appliance with the tools that they call; it is built if the cache does not
    have it. Some minutes under software emulation.

    \b
    Examples:
      mptcp-check image test
    """  # noqa: D301 - \b is click's
    places = settings.places()
    with live.watching(live.console()) as watch:
        watch.step("Building the appliance image with the kernel's selftests")
        built = cache.ensure(
            images.load(selftests.IMAGE), cache_dir=places.images, progress=watch.detail
        )
        store.check(built, pins=places.catalogues)
        checks = image_test.run(built, places=places, watch=watch, boot_timeout_s=boot_timeout)
    for suite in selftests.SUITES:
        counts = Counter(check.outcome for check in checks if check.suite == suite.name)
        said = ", ".join(f"{counts[outcome]} {outcome}" for outcome in Outcome if counts[outcome])
        click.echo(f"{suite.name}: {said}")
    failed = [check for check in checks if not check.ok]
    for check in failed:
        click.echo(f"FAILED {check.suite}: {check.name} {check.detail}".rstrip())
    if failed:
        raise PreflightError(
            f"{len(failed)} of {len(checks)} checks failed",
            hint="a busy computer fails some that need time: try again when it is idle",
        )
