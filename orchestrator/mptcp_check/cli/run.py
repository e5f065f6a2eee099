"""`mptcp-check run`: the main job."""

import json
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import click

from mptcp_check import settings
from mptcp_check.cli import collector_options, exit_codes, live, plan_words, variables
from mptcp_check.cli.collector_options import UploadWish
from mptcp_check.cli.depth_flag import DepthFlag
from mptcp_check.exchanges.scopes import METERED_CAP_BYTES, Depth
from mptcp_check.machines import wishes
from mptcp_check.run import Finished, RunOptions
from mptcp_check.run import run as run_everything
from mptcp_check.session_client import server_list
from mptcp_check.wanted import Wanted

"""The run is kept, but its captures are not the whole truth."""

BOOT_TIMEOUT_S = 120.0

UPLOAD = "mptcp_check.cli.run_upload"
AFTERWARDS = ("mptcp_check.cli.verdict", UPLOAD)
"""Imported while the machines boot: what is needed when the run has ended."""


@click.command()
@click.option(
    "--apps",
    default="",
    metavar="NAMES",
    help="Applications to run, separated by commas; all of them without this option.",
)
@click.option(
    "--behind",
    multiple=True,
    metavar="BEHAVIOUR[:KEY=VALUE,...]",
    help="Put an emulated middlebox in the way (`mptcp-check lab list`); may be given several "
    "times, first is nearest to the client.",
)
@click.option(
    "--quick",
    "depth",
    cls=DepthFlag,
    flag_value=Depth.QUICK,
    type=Depth,
    help="A few transfers: under a minute of traffic, under 20 MB.",
)
@click.option(
    "--full",
    "depth",
    cls=DepthFlag,
    flag_value=Depth.FULL,
    type=Depth,
    help="Everything: each application in each mode, IPv6, backup and announced paths, handovers.",
)
@click.option(
    "--metered",
    "depth",
    cls=DepthFlag,
    flag_value=Depth.METERED,
    type=Depth,
    help="For who pays by the byte: a few transfers, and an end at "
    f"{METERED_CAP_BYTES / 1e6:g} MB whatever happens.",
)
@click.option(
    "--plan",
    "plan_only",
    is_flag=True,
    help="Say what would run, how long and how much it would take, and run nothing.",
)
@click.option(
    "--machine",
    default="auto",
    show_default=True,
    metavar="auto|qemu|vagrant[:PROVIDER]|host|ssh:HOST",
    help="Where the client runs: in a virtual machine, ours or Vagrant's, on this Linux computer's "
    "own kernel, or on a Linux box that ssh reaches.",
)
@click.option(
    "--iface",
    "interfaces",
    multiple=True,
    envvar="MPTCP_CHECK_RUN_IFACE",
    metavar="NAME[,address=A/LEN][,gateway=A][,routed]",
    help="Measure the network of this interface; give several for a subflow over each.",
)
@click.option(
    "--server",
    metavar="https://HOST|LIST.toml|ssh:HOST[,...]",
    help="The measurement server at the far end: a public one (https://HOST[:PORT]"
    "[,fingerprint=SHA256]), the first of a list that can be used, or a Linux box of yours "
    "(ssh:HOST[,address=A][,APP=PORT]).",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder for this run; it must not exist. Without it: among `mptcp-check runs`.",
)
@click.option(
    "--boot-timeout",
    type=variables.Number(1, 3600),
    default=BOOT_TIMEOUT_S,
    show_default=True,
    metavar="SECONDS",
    help="How long the machines may take to boot.",
)
@click.option(
    "--no-upload",
    is_flag=True,
    help="Send nothing, also nothing that waits; a public server keeps nothing of the run.",
)
@collector_options.collector_options
@collector_options.upload_rate_option
@click.option(
    "--fail-on",
    type=click.Choice(["interference"]),
    help="Exit with 1 when the path did something to Multipath TCP.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one final JSON document on stdout.")
@click.option("--jsonl", is_flag=True, help="Print events as JSON lines on stdout while it runs.")
def run(  # noqa: PLR0913 - one per option
    *,
    apps: str,
    behind: tuple[str, ...],
    depth: Depth | None,
    plan_only: bool,
    machine: str,
    interfaces: tuple[str, ...],
    server: str | None,
    out: Path | None,
    boot_timeout: float,
    no_upload: bool,
    collector: str | None,
    collector_key: str | None,
    consent_file: Path | None,
    upload_rate: float | None,
    fail_on: str | None,
    as_json: bool,
    jsonl: bool,
) -> int:
    """Check Multipath TCP and say what the path did.

    \b
    Without a server, two virtual machines with a Multipath TCP kernel, a probe and a
    measurement server, are joined by two links of this program's own small network: it
    shows what the tool does, and not how your network is. With --server the network
    between the client and that server is measured. Applications run over Multipath TCP
    and, as the control, over plain TCP. Every packet is captured at both ends; the two
    captures are compared.

    \b
    With a collector (--collector, MPTCP_CHECK_COLLECTOR) the run is uploaded at the end,
    if you agree. Exit code 6 when it waits in the outbox, 7 when nobody could be asked.

    \b
    On this computer or a box, the client has a network namespace with cards of its own
    (macvlan) or, on Wi-Fi, a way through the kernel; that needs root. A server by ssh is
    used as it is: its MPTCP settings and offloads change for the run and are put back. On
    a public server the run has a session of its own, which ends with it; the server keeps its
    capture for a while, so that a collector can fetch it, unless you say --no-upload.

    \b
    Examples:
      mptcp-check run
      mptcp-check run --quick --apps http
      mptcp-check run --full --plan
      mptcp-check run --behind mp_capable_removed_from_syn
      mptcp-check run --behind mp_join_removed:removal=delete,direction=c2s
      mptcp-check run --json --out ./my-run > my-run.json
      mptcp-check run --iface eth0 --server https://mptcp-1.example.org
      mptcp-check run --iface eth0 --server servers.toml
      mptcp-check run --iface eth0 --server ssh:box.example.org
      mptcp-check run --machine vagrant --iface br0 --server ssh:box.example.org
      mptcp-check run --machine host --iface eth0 --iface wlan0 --server ssh:box.example.org
      mptcp-check run --machine ssh:pi@192.168.1.7 --server ssh:root@box.example.org,http=8080
    """  # noqa: D301 - \b is click's mark for 'do not wrap'
    console = live.console()
    names = tuple(a.strip() for a in apps.split(",") if a.strip())
    if plan_only:
        return plan_words.show(names, depth or Depth.DEFAULT, console=console, as_json=as_json)
    wish = UploadWish(
        no_upload=no_upload,
        collector=collector,
        collector_key=collector_key,
        consent_file=consent_file,
        rate_mbps=upload_rate,
    )
    if wish.is_said:
        import_module(UPLOAD).require_sense(wish)
    server_wish = wishes.measurement_server(server, server_list.load) if server else None
    if isinstance(server_wish, wishes.SessionWish):
        keeps = import_module(UPLOAD).may_send_traces(wish)
        server_wish = replace(server_wish, keeps=keeps)
    options = RunOptions(
        apps=names,
        wanted=Wanted(
            machine=wishes.machine_wish(machine),
            interfaces=tuple(wishes.interface_wish(text) for text in interfaces),
            server=server_wish,
            behind=behind,
        ),
        depth=depth or Depth.DEFAULT,
        out=out,
        boot_timeout_s=boot_timeout,
        places=settings.places(),
        afterwards=AFTERWARDS,
    )
    with live.watching(console, jsonl=jsonl) as watch:
        finished = run_everything(options, watch)
    from mptcp_check.cli import run_upload, verdict  # noqa: PLC0415 - see `AFTERWARDS`

    verdict.show(console, finished.document, where=str(finished.directory))
    uploaded = run_upload.after_run(wish, finished.directory)
    if as_json or jsonl:
        document = {**finished.document, "upload": uploaded.document()}
        click.echo(json.dumps(document, indent=None if jsonl else 2))
    return _exit_code(finished, fail_on, uploaded.exit_code)


def _exit_code(finished: Finished, fail_on: str | None, of_upload: int) -> int:
    interference = (
        any(f["state"] == "seen" for f in finished.document["report"]["findings"])
        and fail_on == "interference"
    )
    return exit_codes.FOUND if interference else of_upload
