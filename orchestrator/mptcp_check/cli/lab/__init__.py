"""`mptcp-check lab`: the middleboxes that this program can play, and what is done with them."""

import click

from mptcp_check.cli.command_group import command_group

_COMMANDS = {
    "list": ("listing", "list_behaviours"),
    "run": ("playing", "run"),
    "matrix": ("matrix", "matrix"),
    "rewrite": ("rewriting", "rewrite"),
}
"""Name -> module here and function in it; imported when used, as the commands above these are."""


@click.group(cls=command_group(__name__, _COMMANDS))
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
