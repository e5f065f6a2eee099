"""Captures of all sessions: orders in, files out, and what is known of each across restarts.

A folder per session: ``order.json`` from the start, ``flows.jsonl`` with every connection that
became its own, ``capture.pcapng``, and at the end ``summary.json``, written last.  A folder
without it is a capture that runs: after a crash it is taken up again, and says so.
"""

import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from mptcp_appliance import durable
from mptcp_check.analysis.capture.packets import Packets
from mptcp_check.analysis.capture.records import Records
from mptcp_check.server.capture.demultiplexer import Demultiplexer
from mptcp_check.server.capture.flow import Flow
from mptcp_check.server.capture.flow_groups import End, FlowKey
from mptcp_check.server.capture.handshakes import Handshake, Handshakes
from mptcp_check.server.capture.service import FILE, Claim, Order
from mptcp_check.server.capture.session_file import FLOWS_MAX, SessionFile
from mptcp_check.server.capture.summary import Interruption, Summary, from_document
from mptcp_check.server.capture.waiting import Waiting
from mptcp_check.server.problem import ProblemError

ORDER, FLOWS, SUMMARY = "order.json", "flows.jsonl", "summary.json"
HEARTBEAT: Final = "alive"
"""Touched while the service runs: its age tells since when it did not."""


@dataclass(slots=True, kw_only=True)
class _Running:
    order: Order
    folder: Path
    file: SessionFile
    started_ns: int
    ring_dropped_before: int
    shed_before: int
    flow_count: int = 0
    mp_capable_count: int = 0
    mp_join_count: int = 0
    truncated_ns: int | None = None
    interruptions: list[Interruption] = field(default_factory=list)


class Recorder:
    """All captures of one server.

    Args:
        folder: Where they are kept.
        waiting: Bounds of what is not known yet.
        multipliers: See `flow_groups.groups`.
        wall_ns: Reads the clock.
        ring_dropped: Says how many packets the kernel lost so far.
        free_bytes: Says how much room a folder's disk has.
        disk_free_min_bytes: With less no capture begins.
        ftp_ports: See `Demultiplexer`.
    """

    def __init__(
        self,
        folder: Path,
        *,
        waiting: Waiting,
        multipliers: npt.NDArray[np.uint64],
        wall_ns: Callable[[], int],
        ring_dropped: Callable[[], int],
        free_bytes: Callable[[Path], int],
        disk_free_min_bytes: int,
        ftp_ports: frozenset[int],
    ) -> None:
        self._folder = folder
        self._wall_ns = wall_ns
        self._ring_dropped = ring_dropped
        self._free_bytes = free_bytes
        self._disk_free_min_bytes = disk_free_min_bytes
        self._running: dict[str, _Running] = {}
        self.demultiplexer = Demultiplexer(
            deliver=self._deliver,
            flow_known=self._flow_known,
            multipliers=multipliers,
            waiting=waiting,
            ftp_ports=ftp_ports,
        )
        folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        self._take_up()
        self.beat()

    @property
    def running_count(self) -> int:
        """Captures that run."""
        return len(self._running)

    def start(self, order: Order) -> Summary:
        """Start a capture, or say how far it is.

        Raises:
            ProblemError: ``capture-ended`` or ``disk-full``.
        """
        running = self._running.get(order.session_id)
        if running is not None:
            return self._summary(running)
        folder = self._folder / order.session_id
        if (folder / SUMMARY).exists():
            raise ProblemError("capture-ended")
        if self._free_bytes(self._folder) < self._disk_free_min_bytes:
            raise ProblemError("disk-full")
        started_ns = self._wall_ns()
        try:
            folder.mkdir(mode=0o750)
            _write_order(folder, order, started_ns=started_ns)
            running = self._begin(order, folder, started_ns)
        except OSError:
            shutil.rmtree(folder, ignore_errors=True)
            raise ProblemError("disk-full") from None
        return self._summary(running)

    def take(self, packets: Packets, records: Records) -> None:
        """Take a batch of segments and write what is known of it."""
        self.demultiplexer.take(packets, records)

    def flush(self) -> None:
        """Write what waits in memory for more."""
        for running in self._running.values():
            if not running.file.flush():
                self._note_truncated(running)

    def stop(self, session_id: str, because: str) -> Summary | None:
        """Stop a capture; one that was stopped says the same again, none is none."""
        running = self._running.pop(session_id, None)
        if running is None:
            return self.summary(session_id)
        self.demultiplexer.close(session_id)
        stopped_ns = self._wall_ns()
        so_far = self._summary(running)
        digest = running.file.finish(
            time_ns=stopped_ns,
            dropped_count=so_far.ring_dropped_count,
            comment=_comment(so_far),
        )
        summary = replace(
            self._summary(running),
            running=False,
            stopped_ns=stopped_ns,
            because=because,
            sha256=digest,
        )
        _write(running.folder / SUMMARY, summary.document())
        return summary

    def summary(self, session_id: str) -> Summary | None:
        """Return how far a capture is, or how it ended; none if there never was one."""
        running = self._running.get(session_id)
        if running is not None:
            return self._summary(running)
        try:
            return from_document(json.loads((self._folder / session_id / SUMMARY).read_text()))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def claim(self, session_id: str, claims: Sequence[Claim]) -> int:
        """Add connections to a running capture.

        Raises:
            ProblemError: ``capture-missing``.
        """
        if session_id not in self._running:
            raise ProblemError("capture-missing")
        return self.demultiplexer.claim(session_id, claims)

    def handshakes(self, session_id: str) -> Handshakes:
        """Return how the connections of a running capture were opened.

        Raises:
            ProblemError: ``capture-missing``.
        """
        if session_id not in self._running:
            raise ProblemError("capture-missing")
        return self.demultiplexer.handshakes(session_id)

    def forget(self, session_id: str) -> None:
        """Remove a capture, stopped or not."""
        running = self._running.pop(session_id, None)
        if running is not None:
            self.demultiplexer.close(session_id)
            running.file.close()
        shutil.rmtree(self._folder / session_id, ignore_errors=True)

    def tidy(self) -> None:
        """Drop what has waited too long, and end captures whose time is over."""
        now_ns = self._wall_ns()
        self.demultiplexer.expire(now_ns)
        late = [
            one.order.session_id for one in self._running.values() if one.order.until_ns <= now_ns
        ]
        for session_id in late:
            self.stop(session_id, "expired")
        self.flush()

    def beat(self) -> None:
        """Leave a sign of life."""
        now_ns = self._wall_ns()
        path = self._folder / HEARTBEAT
        path.touch(mode=0o640)
        os.utime(path, ns=(now_ns, now_ns))

    def close(self) -> None:
        """Leave running captures as they are: the next start takes them up."""
        self.flush()
        self.beat()
        for running in self._running.values():
            running.file.close()

    # --------------------------------------------------------------------------- in between

    def _begin(self, order: Order, folder: Path, started_ns: int) -> _Running:
        running = _Running(
            order=order,
            folder=folder,
            file=SessionFile(
                folder / FILE,
                name="server",
                bytes_max=order.bytes_max,
                packets_max=order.packets_max,
            ),
            started_ns=started_ns,
            ring_dropped_before=self._ring_dropped(),
            shed_before=self.demultiplexer.waiting.shed_count,
        )
        self._running[order.session_id] = running
        self.demultiplexer.open(order.session_id, order.marker)
        return running

    def _deliver(self, session_id: str, blocks: bytes, packet_count: int) -> None:
        running = self._running[session_id]
        if running.file.add(blocks, packet_count):
            self._note_truncated(running)

    def _flow_known(self, session_id: str, flow: Flow) -> None:
        running = self._running[session_id]
        running.flow_count += 1
        running.mp_capable_count += flow.capable
        running.mp_join_count += flow.join
        if running.flow_count > FLOWS_MAX and not running.file.truncated:
            running.file.truncated = "flows"
            self._note_truncated(running)
        if running.file.truncated:
            return
        try:
            with (running.folder / FLOWS).open("a") as file:
                file.write(json.dumps(_flow_document(flow)) + "\n")
        except OSError:
            # Only a restart needs it, and the capture's own file will meet the full disk.
            return

    def _note_truncated(self, running: _Running) -> None:
        if running.truncated_ns is None:
            running.truncated_ns = self._wall_ns()

    def _summary(self, running: _Running) -> Summary:
        dropped = self._ring_dropped() - running.ring_dropped_before
        return Summary(
            running=True,
            started_ns=running.started_ns,
            stopped_ns=None,
            because="",
            packet_count=running.file.packet_count,
            file_bytes=running.file.size_bytes,
            flow_count=running.flow_count,
            mp_capable_count=running.mp_capable_count,
            mp_join_count=running.mp_join_count,
            truncated=running.file.truncated,
            truncated_ns=running.truncated_ns,
            missed_packet_count=running.file.missed_packet_count,
            ring_dropped_count=dropped,
            shed_flow_count=self.demultiplexer.waiting.shed_count - running.shed_before,
            interruptions=tuple(running.interruptions),
            sha256="",
        )

    def _take_up(self) -> None:
        """Go on with what a crash or a restart interrupted."""
        now_ns = self._wall_ns()
        try:
            alive_ns = (self._folder / HEARTBEAT).stat().st_mtime_ns
        except OSError:
            alive_ns = now_ns
        for folder in sorted(self._folder.iterdir()):
            if not folder.is_dir() or (folder / SUMMARY).exists():
                continue
            try:
                self._resume(folder, alive_ns=min(alive_ns, now_ns), now_ns=now_ns)
            except (OSError, ValueError, KeyError, TypeError):
                continue  # it never came to be: an order that was not written whole

    def _resume(self, folder: Path, *, alive_ns: int, now_ns: int) -> None:
        document: Any = json.loads((folder / ORDER).read_text())
        if not isinstance(document, dict):
            raise TypeError("an order is a table")
        started_ns: int = document.pop("started_ns")
        former = [Interruption(**one) for one in document.pop("interruptions")]
        order = Order(**document)
        running = self._begin(order, folder, started_ns)
        gap = Interruption(from_ns=max(alive_ns, started_ns), until_ns=now_ns)
        running.interruptions = [*former, gap]
        _write_order(folder, order, started_ns=started_ns, interruptions=running.interruptions)
        flows = folder / FLOWS
        for line in flows.read_text().splitlines() if flows.exists() else []:
            try:
                key, flow = _flow(json.loads(line), order.session_id)
            except (ValueError, KeyError, TypeError):
                continue  # the last line, cut by the crash
            self.demultiplexer.restore(key, flow)
            running.flow_count += 1
            running.mp_capable_count += flow.capable
            running.mp_join_count += flow.join


def _flow_document(flow: Flow) -> dict[str, Any]:
    return {
        "initiator": flow.initiator,
        "responder": flow.responder,
        "initiator_isn": flow.initiator_isn,
        "responder_isn": flow.responder_isn,
        "first_ns": flow.first_ns,
        "handshake": asdict(flow.handshake),
        "initiator_tokens": sorted(flow.initiator_tokens),
        "responder_tokens": sorted(flow.responder_tokens),
    }


def _flow(document: dict[str, Any], session_id: str) -> tuple[FlowKey, Flow]:
    initiator, responder = End(*document["initiator"]), End(*document["responder"])
    flow = Flow(
        initiator=initiator,
        responder=responder,
        initiator_isn=document["initiator_isn"],
        responder_isn=document["responder_isn"],
        first_ns=document["first_ns"],
        handshake=Handshake(**document["handshake"]),
        initiator_tokens=set(document["initiator_tokens"]),
        responder_tokens=set(document["responder_tokens"]),
        session_id=session_id,
        spoke=True,
    )
    low, high = sorted((initiator, responder))
    return FlowKey(*low, *high), flow


def _comment(summary: Summary) -> str:
    """Return what the file itself says of what is missing in it."""
    said = [
        (summary.truncated, f"truncated: {summary.truncated}"),
        (summary.missed_packet_count, f"{summary.missed_packet_count} packets missed"),
        (summary.ring_dropped_count, f"{summary.ring_dropped_count} packets lost by the kernel"),
        (summary.shed_flow_count, f"{summary.shed_flow_count} unknown connections given up"),
        (summary.interruptions, f"{len(summary.interruptions)} interruptions"),
    ]
    return "; ".join(text for true, text in said if true)


def _write_order(
    folder: Path, order: Order, *, started_ns: int, interruptions: Sequence[Interruption] = ()
) -> None:
    """Write what a restart needs to go on with a capture; `Recorder._resume` reads it."""
    said = [asdict(one) for one in interruptions]
    document = {**asdict(order), "started_ns": started_ns, "interruptions": said}
    _write(folder / ORDER, document)


def _write(path: Path, document: Mapping[str, Any]) -> None:
    durable.replace(path, json.dumps(document).encode(), mode=0o640)
