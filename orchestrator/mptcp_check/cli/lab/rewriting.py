"""`mptcp-check lab rewrite`: a capture as it would be with a middlebox in the way."""

import ipaddress
import random
from pathlib import Path

import click

from mptcp_check.errors import CaptureError, UsageError
from mptcp_check.lab import rewriting
from mptcp_check.middleboxes import registry
from mptcp_check.middleboxes.chain import Chain

CAPTURE = click.Path(path_type=Path)


@click.command()
@click.argument("behaviour", metavar="BEHAVIOUR[:PARAMETERS]")
@click.argument("source", metavar="IN", type=CAPTURE)
@click.argument("target", metavar="OUT", type=CAPTURE)
@click.option(
    "--client",
    metavar="ADDRESS",
    help="The client's address; without it the client is who sent the SYN.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of the behaviour's chances.")
def rewrite(*, behaviour: str, source: Path, target: Path, client: str | None, seed: int) -> None:
    """Rewrite the capture IN to OUT as if BEHAVIOUR had stood in its way.

    IN is pcap or pcapng, possibly compressed. OUT is pcap if its name ends so, else
    pcapng. The times of the frames are the clock; frames that pass keep theirs.

    \b
    Examples:
      mptcp-check lab rewrite mp_capable_removed_from_syn in.pcap out.pcapng
      mptcp-check lab rewrite mp_join_removed:removal=delete in.pcapng.gz out.pcap
    """  # noqa: D301 - \b is click's mark for 'do not wrap'
    chance = random.Random(seed)  # noqa: S311 - no secret
    chain = Chain([registry.build(behaviour, link_index=0, rng=chance)])
    try:
        address = None if client is None else ipaddress.ip_address(client)
    except ValueError:
        raise UsageError(f"--client {client} is not an address") from None
    if target.exists() and source.exists() and target.samefile(source):
        raise UsageError(f"{target} is the input", hint="name another OUT")
    try:
        done = rewriting.rewrite(source, target, chain, client=address)
    except OSError as e:
        raise CaptureError(
            f"{target} cannot be written: {(e.strerror or str(e)).lower()}"
        ) from None
    for problem in done.problems:
        click.echo(f"mptcp-check: {source}: {problem}", err=True)
    if done.undirected_count:
        click.echo(
            f"mptcp-check: {done.undirected_count} segments belong to connections whose SYN is not "
            "there; they passed unchanged (--client ADDRESS says who the client is)",
            err=True,
        )
    if done.unreadable_count:
        click.echo(
            f"mptcp-check: {done.unreadable_count} frames hold no IP in a known link type and "
            "are left out",
            err=True,
        )
    click.echo(
        f"{done.read_count} frames read, {done.written_count} written, {done.acted_count} altered, "
        "dropped or made",
        err=True,
    )
