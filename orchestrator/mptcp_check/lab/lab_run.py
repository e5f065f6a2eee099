"""`mptcp-check lab run` on the inside: play a plan, then write it down as a run is written."""

import json
import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from mptcp_check import __version__, clock, judging, run_directory, storing
from mptcp_check.analysis.capture import capture_file
from mptcp_check.analysis.diagnose import diagnose
from mptcp_check.analysis.reporting import run_document
from mptcp_check.errors import UsageError
from mptcp_check.exchanges import APPLICATIONS, credentials
from mptcp_check.exchanges.conditions import Condition
from mptcp_check.exchanges.plan import DEADLINE_S, PAYLOAD_BYTES, chosen
from mptcp_check.exchanges.record import document as record_document
from mptcp_check.lab import stream
from mptcp_check.lab.case import STREAM, Circumstances, stream_exchange
from mptcp_check.lab.expectations import expectation
from mptcp_check.lab.kernel_boxes import PREFIX
from mptcp_check.lab.playing import Played, placed, play_plan
from mptcp_check.middleboxes import link
from mptcp_check.model import Exchange, Family, Side, Transport
from mptcp_check.watch import Watch

MACHINE: Final = "namespaces"
STREAM_ON_MACHINES: Final = "http"
NETWORK: Final = "embedded"
"""It is this program's own small network, inside this computer."""


def plan(apps: Sequence[str], around: Circumstances) -> tuple[Exchange, ...]:
    """Return the exchanges of a lab's run: for each its control over plain TCP first; PURE.

    Args:
        apps: `STREAM` or names of `APPLICATIONS`, known ones.
        around: How the Multipath TCP exchanges run.
    """
    found: list[Exchange] = []
    for app in apps:
        for transport in (Transport.TCP, Transport.MPTCP):
            if app == STREAM:
                one = Circumstances(
                    checksum=around.checksum and transport is Transport.MPTCP,
                    paths=around.paths,
                    first=around.first,
                    family=around.family,
                    transport=transport,
                )
                exchange = stream_exchange(
                    one,
                    number=len(found),
                    port=stream.PORT,
                    payload_bytes=stream.PAYLOAD_BYTES,
                )
                found.append(exchange)
                continue
            application = APPLICATIONS[app]
            found += [
                Exchange(
                    id=len(found) + place,
                    app=app,
                    mode=mode,
                    direction=direction,
                    transport=transport,
                    checksum=around.checksum and transport is Transport.MPTCP,
                    paths=around.paths if transport is Transport.MPTCP else 1,
                    family=around.family,
                    port=application.port,
                    payload_bytes=min(
                        PAYLOAD_BYTES // 2,
                        application.modes[mode].payload_bytes_max or PAYLOAD_BYTES,
                    ),
                    deadline_s=DEADLINE_S / 2,
                )
                for place, (mode, direction) in enumerate(
                    (mode, direction)
                    for mode, how in application.modes.items()
                    for direction in how.transfers
                )
            ]
    return tuple(found)


def machines_plan(apps: Sequence[str], around: Circumstances) -> tuple[Exchange, ...]:
    """Return the same for virtual machines: what `mptcp-check run` would do there; PURE.

    Args:
        apps: Names of `APPLICATIONS`, or `STREAM`, in whose place machines run http.
        around: How the Multipath TCP exchanges run.
    """
    names = tuple(dict.fromkeys(STREAM_ON_MACHINES if app == STREAM else app for app in apps))
    condition = Condition(transport=Transport.MPTCP, checksum=around.checksum, paths=around.paths)
    return chosen(names, around.family, [condition])


def machines_behind(behaviours: Sequence[str]) -> tuple[str, ...]:
    """Return what stands in each link between virtual machines, the first nearest to the client.

    Raises:
        UsageError: Something can be played between namespaces only.
    """
    for text in behaviours:
        if text.startswith(PREFIX):
            raise UsageError(
                f"{text} is played by this computer's kernel, not between machines",
                hint="leave --machines out",
            )
        setup = expectation(text).setup
        if setup.announce or setup.ecn or setup.urgent:
            raise UsageError(
                f"{text} has nothing to do between machines: they do not use what it is about",
                hint="leave --machines out",
            )
    return placed(behaviours, 0)[:-1]


def request(
    behaviours: Sequence[str], apps: Sequence[str], around: Circumstances, directory: Path
) -> dict[str, Any]:
    """Return what the sandbox is asked for; PURE."""
    return {
        "do": "run",
        "behaviours": list(behaviours),
        "apps": list(apps),
        "checksum": around.checksum,
        "paths": around.paths,
        "first": around.first.value,
        "family": around.family.value,
        "directory": str(directory),
    }


def play_and_store(asked: Mapping[str, Any], *, work: Path, watch: Watch) -> dict[str, Any]:
    """Do what `request` asks and return the run as `mptcp-check.run/1`.

    Raises:
        MptcpCheckError: The network cannot be built, or the folder cannot be used.
    """
    around = Circumstances(
        checksum=asked["checksum"],
        paths=asked["paths"],
        first=Side(asked["first"]),
        family=Family(asked["family"]),
    )
    started_ns = clock.wall_ns()
    run_id = run_directory.new_id(wall_ns=started_ns, random_bytes=os.urandom(10))
    final = Path(asked["directory"])
    with run_directory.being_made(final) as directory:
        played = play_plan(
            asked["behaviours"],
            plan(asked["apps"], around),
            seed=run_id,
            directory=work,
            keys=credentials.make(os.urandom(12).hex()),
            watch=watch,
        )
        watch.step("Comparing the captures of both ends")
        captures = _store_facts(directory, played)
        document = _document(
            played,
            captures,
            run_id=run_id,
            started_ns=started_ns,
            final=final,
            behind=asked["behaviours"],
        )
        storing.store_report(directory, document)
    return document


def _store_facts(directory: Path, played: Played) -> dict[Side, bytes]:
    (directory / "captures").mkdir()
    merged = {side: played.pcapng(side) for side in Side}
    for side, content in merged.items():
        (directory / "captures" / f"{side}.pcapng").write_bytes(content)
    facts = {
        "schema": "mptcp-check.exchanges/1",
        "exchanges": [record_document(record) for record in played.records],
        "machines": {side: {"hello": played.hello[side], "lab": played.lab[side]} for side in Side},
    }
    text = json.dumps(facts, indent=1, ensure_ascii=False) + "\n"
    (directory / "exchanges.json").write_text(text, encoding="utf-8")
    return merged


def _document(
    played: Played,
    captures: Mapping[Side, bytes],
    *,
    run_id: str,
    started_ns: int,
    final: Path,
    behind: Sequence[str],
) -> dict[str, Any]:
    read = {side: capture_file.read(content) for side, content in captures.items()}
    diagnosis = diagnose(read[Side.CLIENT], read[Side.SERVER])
    judged = run_document.judge_exchanges(
        diagnosis, [judging.observed(record_document(r)) for r in played.records]
    )
    each = link.DEFAULT
    return run_document.document(
        diagnosis,
        judged,
        tool_version=__version__,
        about={
            "run_id": run_id,
            "started": clock.utc_text(started_ns),
            "directory": str(final.absolute()),
            "machine": MACHINE,
            "accelerator": "none",
            "network": NETWORK,
            "server": NETWORK,
            "behind": list(behind),
            "integrity": {"troubles": list(played.troubles())},
            "provenance": {
                "tool_version": __version__,
                "host": f"{platform.system()} {platform.machine()}",
                "image_digest": None,
                "kernels": {side.value: str(played.hello[side]["kernel"]) for side in Side},
                "tools": {side.value: played.hello[side]["tools"] for side in Side},
                "links": f"{each.delay_ns / 1e6:g} ms one way, {each.rate_bps / 1e6:g} Mbit/s",
                "captured_count": {
                    side.value: sum(c.received_count or 0 for c in played.captures[side])
                    for side in Side
                },
                "behaviour_acted_counts": [list(counts) for counts in played.acted_counts],
            },
        },
    )
