"""The main job on one screen: plan, machines, exchanges, captures, diagnosis, report."""

import os
import platform
import random
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mptcp_appliance import boot, cache, images, store
from mptcp_appliance.image import Image
from mptcp_check import clock, judging, measuring, run_directory, storing
from mptcp_check.doctor import FREE_FOR_RUN_BYTES, IMAGE
from mptcp_check.errors import MachineError, PreflightError
from mptcp_check.exchanges.plan import Depth, plan
from mptcp_check.machines import accelerator, process, qemu, workspace
from mptcp_check.machines.accelerator import Accelerator
from mptcp_check.machines.addresses import LINKS
from mptcp_check.machines.embedded import embedded
from mptcp_check.machines.guest_archive import guest_archive
from mptcp_check.machines.management import make_keys
from mptcp_check.middleboxes import registry
from mptcp_check.middleboxes.chain import Chain
from mptcp_check.model import Exchange
from mptcp_check.settings import Places
from mptcp_check.watch import Watch

MEMORY_MIB = 512
"""Of each guest: the system needs 60, the rest is room for captures and files."""

LINK = "link"
"""The behaviour that gives each link its delay and rate, always the last of a chain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """What the user asked for."""

    apps: tuple[str, ...]
    """Applications; empty means all."""
    behind: tuple[str, ...]
    """Emulated middleboxes, the first nearest to the client: ``ID`` or ``ID:key=value,...``."""
    depth: Depth
    out: Path | None
    boot_timeout_s: float
    places: Places
    exchanges: tuple[Exchange, ...] = ()
    """What to run; empty is what `apps` and `depth` say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A run that is whole."""

    directory: Path
    document: Mapping[str, Any]
    """`mptcp-check.run/1`."""


def run(options: RunOptions, watch: Watch) -> Finished:
    """Do the main job on the embedded network.

    Raises:
        MptcpCheckError: With the exit code of what failed; nothing half-made is left.
        ImageError: The image cannot be built or is not what it was.
    """
    exchanges = options.exchanges or plan(options.apps or None, options.depth)
    chains = _chains(options.behind)
    started_ns = clock.wall_ns()
    run_id = run_directory.new_id(wall_ns=started_ns, random_bytes=os.urandom(10))
    final = options.out or options.places.runs / run_id
    workspace.remove_remains()
    _require_space(final)
    image = _image(options.places, watch)
    with (
        run_directory.being_made(final) as directory,
        workspace.workspace(run_id[-10:]) as scratch,
        storing.logs_kept(scratch, options.places.failures / run_id),
    ):
        accelerated = _accelerator(image, options.places, scratch, watch)
        archive = guest_archive()
        watch.step(f"Booting two machines ({accelerated.name.upper()})")
        keys = make_keys(scratch / "keys")
        with embedded(
            image_arguments=boot.qemu_arguments(
                image, memory_mib=MEMORY_MIB, keys_directory=keys.directory
            ),
            accelerator=accelerated,
            chains=chains,
            keys=keys,
            archive=archive.content,
            directory=scratch,
            boot_timeout_s=options.boot_timeout_s,
        ) as network:
            measured = measuring.measure(
                network, exchanges, seed=run_id, password=os.urandom(12).hex(), watch=watch
            )
            boot_ns = network.boot_ns
        watch.step("Comparing the captures of both ends")
        captures = storing.store_facts(directory, measured, scratch=scratch)
        document = judging.judge(
            measured,
            captures,
            about=judging.About(
                run_id=run_id,
                started=clock.utc_text(started_ns),
                directory=final,
                accelerator=accelerated,
                behind=options.behind,
                image_digest=image.digest,
                guest_sha256=archive.sha256,
                boot_ns=boot_ns,
                host=f"{platform.system()} {platform.machine()}",
            ),
        )
        storing.store_report(directory, document)
    return Finished(directory=final, document=document)


def _chains(behind: Sequence[str]) -> list[Chain]:
    # A fixed seed for each box: the same command plays the same, and no two boxes throw alike.
    return [
        Chain(
            [
                registry.build(text, link_index=link, rng=random.Random(f"{link} {place}"))  # noqa: S311 - no secret
                for place, text in enumerate((*behind, LINK))
            ]
        )
        for link in range(LINKS)
    ]


def _require_space(final: Path) -> None:
    parent = final.absolute().parent
    while not parent.exists():
        parent = parent.parent
    free_bytes = shutil.disk_usage(parent).free
    if free_bytes < FREE_FOR_RUN_BYTES:
        raise PreflightError(
            f"{parent} has {free_bytes >> 20} MiB free, a run needs {FREE_FOR_RUN_BYTES >> 20}",
            hint="free some space, or use --out with a folder on another disk",
        )


def _image(places: Places, watch: Watch) -> Image:
    declared = images.load(IMAGE)
    image = store.find(declared, cache_dir=places.images)
    if image is None and sys.platform != "linux":
        raise PreflightError(
            f"there is no appliance image in {places.images}, and images are built on Debian",
            hint="`mptcp-check image fetch URL --key KEY` from who offers one (docs/images.md)",
        )
    if image is None:
        watch.step("Building the appliance image (the first run only, a minute or two)")
        image = cache.ensure(declared, cache_dir=places.images, progress=watch.detail)
    watch.step("Verifying the appliance image")
    store.check(image, pins=places.catalogues)
    return image


def _accelerator(image: Image, places: Places, scratch: Path, watch: Watch) -> Accelerator:
    version = process.run([qemu.PROGRAM, "--version"], timeout_s=10).stdout.decode(errors="replace")
    first_line = (version.splitlines() or [""])[0]
    try:
        return accelerator.find(
            qemu=qemu.PROGRAM,
            boot_arguments=boot.boot_probe_arguments(image),
            key=f"{first_line}; {platform.platform()}; {image.digest}",
            record=places.accelerators,
            scratch=scratch,
            progress=watch.step,
        )
    except OSError as e:
        raise MachineError(f"{places.accelerators} cannot be written: {e.strerror}") from None
