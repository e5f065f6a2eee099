"""`mptcp-check image`: the images that the machines boot, built here or fetched."""

import click

from mptcp_check.cli.command_group import command_group

_COMMANDS = {
    "list": ("listing", "list_images"),
    "fetch": ("fetching", "fetch"),
    "build": ("building", "build"),
    "keygen": ("keys", "keygen"),
    "sign": ("signing", "sign"),
    "verify": ("verifying", "verify"),
    "prune": ("pruning", "prune"),
    "test": ("testing", "test"),
}
"""Name -> module here and function in it; imported when used, as the commands above these are."""


@click.group(cls=command_group(__name__, _COMMANDS))
def image() -> None:
    """Build, fetch, verify and publish the images that the machines boot.

    \b
    Who runs checks on Debian needs none of it: the first run builds an image.
    Elsewhere, fetch one from somebody you trust, who gives you address and key:
      mptcp-check image fetch https://lab.example/images --key RWQ...
    \b
    Who publishes images (docs/images.md):
      mptcp-check image keygen lab.key
      mptcp-check image build
      mptcp-check image sign --secret-key lab.key --catalogue /srv/www/images
    """  # noqa: D301 - \b is click's mark for 'do not wrap'
