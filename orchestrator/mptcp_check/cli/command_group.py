"""A command that has commands of its own, each imported when it is used."""

import importlib
from collections.abc import Mapping

import click

from mptcp_check.cli import variables


def command_group(package: str, commands: Mapping[str, tuple[str, str]]) -> type[click.Group]:
    """Return the class of a group.

    Args:
        package: Where the modules are.
        commands: Name -> module there and function in it, in the order of the help.
    """

    class CommandGroup(click.Group):
        """The commands of a package."""

        def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's interface
            """Return the names of all commands."""
            return list(commands)

        def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
            """Import a command."""
            if cmd_name not in commands:
                return None
            module, function = commands[cmd_name]
            command = getattr(importlib.import_module(f"{package}.{module}"), function)
            return variables.named(command, f"{ctx.auto_envvar_prefix}_{cmd_name.upper()}")

    return CommandGroup
