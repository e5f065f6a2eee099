"""Captures of all sessions: orders in, files out, and what is known of each across restarts.

A folder per session holds ``capture.pcapng`` and a journal of it.  A capture whose journal has no
end runs: after a crash it is taken up again, and says so.
"""

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from mptcp_check.analysis.capture.packets import Packets
from mptcp_check.analysis.capture.records import Records
from mptcp_check.server.capture.demultiplexer import Demultiplexer
from mptcp_check.server.capture.flow import Flow
from mptcp_check.server.capture.handshakes import Handshakes
from mptcp_check.server.capture.journal import Begun, Journal
from mptcp_check.server.capture.service import FILE, Claim, Order
from mptcp_check.server.capture.session_file import FLOWS_MAX, SessionFile
from mptcp_check.server.capture.summary import Interruption, Summary
from mptcp_check.server.capture.waiting import Waiting
from mptcp_check.server.problem import ProblemError

HEARTBEAT: Final = "alive"
"""Touched while the service runs: its age tells since when it did not."""


@dataclass(slots=True, kw_only=True)
class _Running:
    order: Order
    journal: Journal
    file: SessionFile
    started_ns: int
    ring_dropped_before: int
    shed_before: int
    flow_count: int = 0
    mp_capable_count: int = 0
    mp_join_count: int = 0
    truncated_ns: int | None = None
    interruptions: tuple[Interruption, ...] = ()


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
        journal = self._journal(order.session_id)
        if journal.is_ended:
            raise ProblemError("capture-ended")
        if self._free_bytes(self._folder) < self._disk_free_min_bytes:
            raise ProblemError("disk-full")
        started_ns = self._wall_ns()
        try:
            journal.folder.mkdir(mode=0o750)
            begun = Begun(order, started_ns)
            journal.begin(begun)
            running = self._begin(begun, journal)
        except OSError:
            shutil.rmtree(journal.folder, ignore_errors=True)
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
        running.journal.end(summary)
        return summary

    def summary(self, session_id: str) -> Summary | None:
        """Return how far a capture is, or how it ended; none if there never was one."""
        running = self._running.get(session_id)
        if running is not None:
            return self._summary(running)
        return self._journal(session_id).summary()

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

    def _journal(self, session_id: str) -> Journal:
        return Journal(self._folder / session_id)

    def _begin(self, begun: Begun, journal: Journal) -> _Running:
        order, started_ns, interruptions = begun
        running = _Running(
            order=order,
            journal=journal,
            file=SessionFile(
                journal.folder / FILE,
                name="server",
                bytes_max=order.bytes_max,
                packets_max=order.packets_max,
            ),
            started_ns=started_ns,
            ring_dropped_before=self._ring_dropped(),
            shed_before=self.demultiplexer.waiting.shed_count,
            interruptions=interruptions,
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
            running.journal.add(flow)
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
            interruptions=running.interruptions,
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
            journal = Journal(folder)
            if not folder.is_dir() or journal.is_ended:
                continue
            try:
                self._resume(journal, alive_ns=min(alive_ns, now_ns), now_ns=now_ns)
            except (OSError, ValueError, KeyError, TypeError):
                continue  # it never came to be: an order that was not written whole

    def _resume(self, journal: Journal, *, alive_ns: int, now_ns: int) -> None:
        order, started_ns, former = journal.begun()
        gap = Interruption(from_ns=max(alive_ns, started_ns), until_ns=now_ns)
        begun = Begun(order, started_ns, (*former, gap))
        running = self._begin(begun, journal)
        journal.begin(begun)
        for key, flow in journal.flows(order.session_id):
            self.demultiplexer.restore(key, flow)
            running.flow_count += 1
            running.mp_capable_count += flow.capable
            running.mp_join_count += flow.join


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
