"""`mptcp-check image`: the images that the machines boot, built here or fetched."""

import importlib

import click

_COMMANDS = {
    "list": ("listing", "list_images"),
    "fetch": ("fetching", "fetch"),
    "build": ("building", "build"),
    "keygen": ("keys", "keygen"),
    "sign": ("signing", "sign"),
    "verify": ("verifying", "verify"),
    "test": ("testing", "test"),
}
"""Name -> module here and function in it; imported when used, as the commands above these are."""


class ImageCommands(click.Group):
    """What can be done with images."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's interface
        """Return the names of all commands."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - as above
        """Import a command."""
        if cmd_name not in _COMMANDS:
            return None
        module, function = _COMMANDS[cmd_name]
        command: click.Command = getattr(
            importlib.import_module(f"mptcp_check.cli.image.{module}"), function
        )
        return command


@click.group(cls=ImageCommands)
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
