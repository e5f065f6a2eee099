"""The main job on one screen: plan, network, exchanges, captures, diagnosis, report."""

import os
import platform
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from mptcp_check import clock, measuring, networks, run_directory, storing
from mptcp_check.exchanges import credentials
from mptcp_check.exchanges.estimate import estimate
from mptcp_check.exchanges.plan import Depth, plan
from mptcp_check.exchanges.scopes import SCOPES
from mptcp_check.machines import missing_programs, workspace
from mptcp_check.machines.guest_archive import guest_archive
from mptcp_check.machines.missing_programs import WantedApps
from mptcp_check.model import Exchange
from mptcp_check.settings import Places
from mptcp_check.wanted import Around, Wanted
from mptcp_check.watch import Watch

LATER = ("mptcp_check.judging", "mptcp_check.analysis.reporting.report_html")
"""All of the analysis: imported while machines boot, needed when they have ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """What the user asked for."""

    apps: tuple[str, ...]
    """Applications; empty means all."""
    wanted: Wanted
    """The network."""
    depth: Depth
    out: Path | None
    boot_timeout_s: float
    places: Places
    exchanges: tuple[Exchange, ...] = ()
    """What to run; empty is what `apps` and `depth` say."""
    afterwards: tuple[str, ...] = ()
    """Modules that the caller needs when the run has ended: they are imported during it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A run that is whole."""

    directory: Path
    document: Mapping[str, Any]
    """`mptcp-check.run/1`."""


def run(options: RunOptions, watch: Watch) -> Finished:
    """Do the main job.

    Raises:
        MptcpCheckError: With the exit code of what failed; nothing half-made is left.
        ImageError: The image cannot be built or is not what it was.
    """
    exchanges = options.exchanges or plan(options.apps or None, options.depth)
    networks.require_sense(options.wanted)
    started_ns = clock.wall_ns()
    run_id = run_directory.new_id(wall_ns=started_ns, random_bytes=os.urandom(10))
    final = options.out or options.places.runs / run_id
    workspace.remove_remains()
    networks.require_space(final)
    archive = guest_archive()
    with (
        run_directory.being_made(final) as directory,
        workspace.workspace(run_id[-10:]) as scratch,
        storing.logs_kept(scratch, options.places.failures / run_id),
    ):
        around = Around(
            run_id=run_id,
            archive=archive.content,
            apps=WantedApps(
                names=tuple(dict.fromkeys(e.app for e in exchanges)), named=bool(options.apps)
            ),
            scratch=scratch,
            places=options.places,
            boot_timeout_s=options.boot_timeout_s,
            wire_bytes=estimate(exchanges).wire_bytes,
            watch=watch,
            spare_time=lambda: _import((*LATER, *options.afterwards)),
        )
        with networks.having(options.wanted, around) as had:
            measured = measuring.measure(
                had.network,
                _runnable(exchanges, had.network.left_out, watch),
                seed=run_id,
                keys=credentials.make(os.urandom(12).hex()),
                scope=SCOPES[options.depth],
                watch=watch,
            )
        watch.step("Comparing the captures of both ends")
        captures = storing.store_facts(directory, measured, scratch=scratch, session=had.session)
        from mptcp_check import judging  # noqa: PLC0415 - see `LATER`

        document = judging.judge(
            measured,
            captures,
            about=judging.About(
                run_id=run_id,
                started=clock.utc_text(started_ns),
                directory=final,
                machine=had.machine,
                server=had.server,
                accelerator=had.accelerator,
                image_digest=had.image_digest,
                behind=options.wanted.behind,
                guest_sha256=archive.sha256,
                depth=options.depth,
                host=f"{platform.system()} {platform.machine()}",
            ),
        )
        storing.store_report(directory, document)
    return Finished(directory=final, document=document)


def _import(names: Sequence[str]) -> None:
    """Import modules beside what goes on, for it only waits."""

    def do() -> None:
        for name in names:
            import_module(name)

    threading.Thread(target=do, daemon=True).start()


def _runnable(
    exchanges: Sequence[Exchange], left_out: Mapping[str, str], watch: Watch
) -> tuple[Exchange, ...]:
    for sentence in dict.fromkeys(left_out.values()):
        watch.step(sentence)
    return missing_programs.runnable(exchanges, left_out)
