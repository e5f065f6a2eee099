"""What the metrics' port tells."""

from mptcp_check.server import metrics
from mptcp_check.server.metrics import Metric
from mptcp_check.server.serving.door import Door
from mptcp_check.server.sessions import Sessions


class Measures:
    """Reads the numbers when somebody asks.

    Args:
        sessions: All sessions.
        door: All connections.
    """

    def __init__(self, sessions: Sessions, door: Door) -> None:
        self._sessions = sessions
        self._door = door

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
            ]
        )


_CAPTURE = (
    ("running", "captures_running", "gauge", "Captures that run."),
    ("flows", "capture_flows", "gauge", "Connections that the capture service remembers."),
    ("waiting_bytes", "capture_waiting_bytes", "gauge", "Bytes of packets not known yet."),
    ("shed", "capture_shed_total", "counter", "Unknown connections given up."),
    ("ring_dropped", "capture_ring_dropped_total", "counter", "Packets lost by the kernel."),
)


def _one(name: str, kind: str, words: str, value: float) -> Metric:
    return Metric(
        name=name, kind="counter" if kind == "counter" else "gauge", help=words, values={"": value}
    )
