"""What the metrics' port tells."""

import shutil
from typing import Literal

from mptcp_check.server import metrics
from mptcp_check.server.metrics import Metric
from mptcp_check.server.problem import ProblemError
from mptcp_check.server.services.service import ProgramState
from mptcp_check.server.serving.door import Door
from mptcp_check.server.serving.tls import Certificates
from mptcp_check.server.sessions import Sessions


class Measures:
    """Reads the numbers when somebody asks.

    Args:
        sessions: All sessions.
        door: All connections.
        certificates: What the interface shows.
    """

    def __init__(self, sessions: Sessions, door: Door, certificates: Certificates) -> None:
        self._sessions = sessions
        self._door = door
        self._certificates = certificates

    def text(self) -> str:
        """Return all metrics as Prometheus reads them."""
        sessions, door = self._sessions, self._door
        counts = sessions.captures.counts()
        return metrics.text(
            [
                _one(
                    "sessions_open", "gauge", "Sessions that are open.", sessions.store.open_count()
                ),
                _one(
                    "sessions_created_total", "counter", "Sessions created.", sessions.created_count
                ),
                Metric(
                    name="sessions_refused_total",
                    kind="counter",
                    help="Sessions refused, by the problem's name.",
                    label="problem",
                    values=dict(sessions.refused),
                ),
                _one(
                    "lame_duck", "gauge", "1 while it is being drained.", int(sessions.lame_duck())
                ),
                _one("connections_open", "gauge", "API connections.", door.caps.open_count),
                _one(
                    "connections_refused_total",
                    "counter",
                    "API connections refused by a cap.",
                    door.caps.refused_count,
                ),
                Metric(
                    name="connections_cut_total",
                    kind="counter",
                    help="API connections cut off, by reason.",
                    label="reason",
                    values=dict(door.cut_counts),
                ),
                _one(
                    "capture_up", "gauge", "1 while the capture service answers.", int(bool(counts))
                ),
                *(
                    _one(name, kind, words, counts[key])
                    for key, name, kind, words in _CAPTURE
                    if key in counts
                ),
                *self._of_services(),
                _one(
                    "certificate_expires_timestamp_seconds",
                    "gauge",
                    "When the interface's certificate expires, seconds since 1970.",
                    self._certificates.expires_s,
                ),
                _one(
                    "disk_free_bytes",
                    "gauge",
                    "Free bytes where captures are kept.",
                    shutil.disk_usage(sessions.configuration.server.state).free,
                ),
            ]
        )

    def _of_services(self) -> list[Metric]:
        try:
            programs = self._sessions.services.state().programs
            up = self._sessions.services.available()
        except ProblemError:
            programs, up = (), False
        return [
            _one("services_up", "gauge", "1 while the application servers answer.", int(up)),
            _by_service(
                "service_programs_running",
                "gauge",
                "Programs that listen, one per port and address.",
                [(one, int(one.alive)) for one in programs],
            ),
            _by_service(
                "service_restarts_total",
                "counter",
                "How often programs crashed and were started again.",
                [(one, one.restarts_count) for one in programs],
            ),
        ]


_CAPTURE = (
    ("running", "captures_running", "gauge", "Captures that run."),
    ("flows", "capture_flows", "gauge", "Connections that the capture service remembers."),
    ("waiting_bytes", "capture_waiting_bytes", "gauge", "Bytes of packets not known yet."),
    ("shed", "capture_shed_total", "counter", "Unknown connections given up."),
    ("ring_dropped", "capture_ring_dropped_total", "counter", "Packets lost by the kernel."),
)


def _by_service(
    name: str, kind: Literal["counter", "gauge"], words: str, rows: list[tuple[ProgramState, int]]
) -> Metric:
    sums: dict[str, float] = {}
    for program, number in rows:
        sums[program.service] = sums.get(program.service, 0) + number
    return Metric(name=name, kind=kind, help=words, label="service", values=sums)


def _one(name: str, kind: str, words: str, value: float) -> Metric:
    return Metric(
        name=name, kind="counter" if kind == "counter" else "gauge", help=words, values={"": value}
    )
