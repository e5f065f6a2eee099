"""Which network a run measures, and having it: the ways that `--machine` and `--server` name.

Without a server there is the embedded network.  With one, the client is a machine on a network of
this computer, this computer itself, or a Linux box elsewhere (`mptcp_check.clients`).
"""

import random
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from mptcp_check import clock, machinery
from mptcp_check.errors import PreflightError, UsageError
from mptcp_check.machines.accelerator import Accelerator
from mptcp_check.machines.addresses import LINKS
from mptcp_check.machines.measured_network import MeasuredNetwork
from mptcp_check.machines.wishes import MachineKind, ServerWish
from mptcp_check.middleboxes.behaviour import Behaviour
from mptcp_check.middleboxes.chain import Chain
from mptcp_check.middleboxes.link import Link
from mptcp_check.settings import FREE_FOR_RUN_BYTES
from mptcp_check.wanted import Around, Wanted
from mptcp_upload.server_session import ServerSession

SERVER_HINT = (
    "--server https://HOST, a public measurement server (docs/server.md), or --server ssh:HOST, "
    "a Linux box of yours beyond the network to be measured"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Had:
    """A network that is up, and what the report says of it."""

    network: MeasuredNetwork
    machine: str
    server: str
    accelerator: Accelerator | None = None
    image_digest: str | None = None
    session: ServerSession | None = None
    """As `MeasurementServer` has it."""


REAL_ONLY = (MachineKind.VAGRANT, MachineKind.HOST, MachineKind.SSH)
"""Machines that know no embedded network."""


def require_sense(wanted: Wanted) -> None:
    """Raise when what was asked for contradicts itself; pure.

    Raises:
        UsageError: Names what is missing or too much.
    """
    real = wanted.machine.kind in REAL_ONLY or wanted.interfaces
    if real and wanted.server is None:
        option = "--iface" if wanted.interfaces else f"--machine {wanted.machine.kind}"
        raise UsageError(
            f"{option} measures a real network, which needs a measurement server at its other end",
            hint=SERVER_HINT,
        )
    if wanted.server is not None and wanted.behind:
        raise UsageError(
            "--behind puts a middlebox into the embedded network, --server measures a real one",
            hint="leave one of them out",
        )
    chains(wanted.behind)


@contextmanager
def having(wanted: Wanted, around: Around) -> Iterator[Had]:
    """Have the network that is wanted while it is measured.

    Raises:
        MptcpCheckError: What is missing, or what failed; nothing of it is left.
    """
    if wanted.server is None:
        with _embedded(wanted, around) as had:
            yield had
        return
    began_ns = clock.monotonic_ns()
    with ExitStack() as stack:
        # fabric and Vagrant, which take their time to import, are for real networks only
        from mptcp_check import clients  # noqa: PLC0415
        from mptcp_check.machines import site  # noqa: PLC0415

        around.spare_time()
        server = clients.server(wanted.server, around)
        near, far = clients.CLIENTS[wanted.machine.kind](wanted, around, server, stack)
        yield Had(
            network=site.real_network(near.client, far, ready_ns=clock.monotonic_ns() - began_ns),
            machine=near.machine,
            server=str(wanted.server) if isinstance(wanted.server, ServerWish) else far.end.name,
            accelerator=near.accelerator,
            image_digest=near.image.digest if near.image else None,
            session=far.session,
        )


def chains(behind: Sequence[str]) -> list[Chain]:
    """Return the chains of both links of the embedded network; pure.

    The last of each gives the link its delay and rate.

    Raises:
        UsageError: A name or a parameter is not known.
    """
    return [Chain([*_boxes(behind, index), Link()]) for index in range(LINKS)]


def _boxes(behind: Sequence[str], index: int) -> Iterator[Behaviour]:
    if not behind:
        return
    # most runs play none of the forty: they are imported for who names one
    from mptcp_check.middleboxes import registry  # noqa: PLC0415

    for place, text in enumerate(behind):
        # A fixed seed for each box: the same command plays the same, and no two boxes throw alike.
        rng = random.Random(f"{index} {place}")  # noqa: S311 - no secret
        yield registry.build(text, link_index=index, rng=rng)


@contextmanager
def _embedded(wanted: Wanted, around: Around) -> Iterator[Had]:
    booting = machinery.ready(around)
    from mptcp_check.machines.embedded import embedded  # noqa: PLC0415 - see `machinery.MEANWHILE`

    around.watch.step(f"Booting two machines ({booting.accelerator.name.upper()})")
    with embedded(
        image_arguments=booting.image_arguments,
        accelerator=booting.accelerator,
        chains=chains(wanted.behind),
        keys=booting.keys,
        archive=around.archive,
        directory=around.scratch,
        boot_timeout_s=around.boot_timeout_s,
        booting=around.spare_time,
    ) as up:
        yield Had(
            network=up,
            machine=MachineKind.QEMU,
            server=str(up.kind),
            accelerator=booting.accelerator,
            image_digest=booting.image.digest,
        )


def require_space(final: Path) -> None:
    """Raise when the disk of a folder that is not there yet has no room for a run.

    Raises:
        PreflightError: With what is free.
    """
    parent = final.absolute().parent
    while not parent.exists():
        parent = parent.parent
    free_bytes = shutil.disk_usage(parent).free
    if free_bytes < FREE_FOR_RUN_BYTES:
        raise PreflightError(
            f"{parent} has {free_bytes >> 20} MiB free, a run needs {FREE_FOR_RUN_BYTES >> 20}",
            hint="free some space, or use --out with a folder on another disk",
        )
