"""The capture service from its configuration to its end."""

import secrets
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import numpy as np

from mptcp_check import clock
from mptcp_check.server.capture.capture_process import MOST_CONNECTIONS, CaptureProcess
from mptcp_check.server.capture.packet_ring import PacketRing
from mptcp_check.server.capture.recorder import Recorder
from mptcp_check.server.capture.waiting import Waiting
from mptcp_check.server.capture.warm_up import warm_up
from mptcp_check.server.configuration import Configuration
from mptcp_check.server.line_protocol import listen

_PARTS = 6


def run(configuration: Configuration, *, orphaned: Callable[[], bool] = lambda: False) -> None:
    """Capture until SIGTERM or SIGINT; running captures are taken up by the next start.

    Args:
        configuration: What to capture, and where it goes.
        orphaned: Says that whoever started us is gone: then we end, too.

    Raises:
        PreflightError: CAP_NET_RAW is missing.
        UsageError: An interface is not there, or the control socket is taken.
    """
    chosen = configuration.capture
    ring = PacketRing(chosen.ports, interfaces=chosen.interfaces, ring_bytes=chosen.ring_bytes)
    waiting = Waiting(
        hold_ns=chosen.hold_s * 10**9,
        flows_max=chosen.waiting_flows,
        bytes_max=chosen.waiting_bytes,
    )
    recorder = Recorder(
        configuration.captures,
        waiting=waiting,
        multipliers=_multipliers(),
        wall_ns=clock.wall_ns,
        ring_dropped=lambda: ring.dropped_count,
        free_bytes=_free_bytes,
        disk_free_min_bytes=chosen.disk_free_min_bytes,
        ftp_ports=frozenset(configuration.services.ftp_control_ports),
    )
    warm_up()
    listening = listen(chosen.control, backlog=MOST_CONNECTIONS, what="capture service")
    process = CaptureProcess(ring, recorder, listening, clock.monotonic_ns, orphaned=orphaned)

    def end(_signal: int, _frame: FrameType | None) -> None:
        process.ending = True

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    try:
        process.serve()
    finally:
        chosen.control.unlink(missing_ok=True)


def _free_bytes(folder: Path) -> int:
    return shutil.disk_usage(folder).free


def _multipliers() -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    return np.array([secrets.randbits(64) | 1 for _ in range(_PARTS)], dtype=np.uint64)
