"""`mptcp-check lab`: the middleboxes that this program can play, and what is done with them."""

import importlib

import click

_COMMANDS = {
    "list": ("listing", "list_behaviours"),
    "run": ("playing", "run"),
    "matrix": ("matrix", "matrix"),
    "rewrite": ("rewriting", "rewrite"),
}
"""Name -> module here and function in it; imported when used, as the commands above these are."""


class LabCommands(click.Group):
    """The lab's commands."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's interface
        """Return the names of all commands."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - as above
        """Import a command."""
        if cmd_name not in _COMMANDS:
            return None
        module, function = _COMMANDS[cmd_name]
        command: click.Command = getattr(
            importlib.import_module(f"mptcp_check.cli.lab.{module}"), function
        )
        return command


@click.group(cls=LabCommands)
def lab() -> None:
    """Emulate middleboxes, and see whether they are named.

    \b
    Behaviours are written as ID or ID:key=value,key=value. Two network namespaces of
    this computer play client and server, with the running kernel's Multipath TCP; all
    traffic stays between them. It works as root and, where the kernel lets users have
    namespaces, as an ordinary user.

    \b
    Examples:
      mptcp-check lab list
      mptcp-check lab run mp_join_removed
      mptcp-check lab run payload_altered --checksum --paths 1 --apps http
      mptcp-check lab run kernel:masquerade
      mptcp-check lab matrix --html matrix.html
      mptcp-check lab rewrite mp_capable_removed_from_syn in.pcap out.pcapng
    """  # noqa: D301 - \b is click's mark for 'do not wrap'
