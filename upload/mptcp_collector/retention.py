"""How long runs are kept: by age, and by what their user agreed to."""

import logging
from dataclasses import dataclass
from typing import Final

from mptcp_collector.configuration import Retention
from mptcp_collector.meta.records import Run
from mptcp_collector.receiving import Receiving

PUBLISH: Final = "publish"
_DAY_NS: Final = 86_400 * 10**9

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """What removes what was kept long enough."""

    receiving: Receiving
    retention: Retention

    def tidy(self) -> int:
        """Remove what is due; return the number of runs from which something was removed."""
        now_ns = self.receiving.wall_ns()
        days = [d for d in _ends(self.retention) if d]
        if not days:
            return 0
        old = self.receiving.meta.received_before(now_ns - min(days) * _DAY_NS)
        return sum(self._tidy(run, now_ns) for run in old)

    def _tidy(self, run: Run, now_ns: int) -> bool:
        whole, traces = _kept(run, self.retention)
        age_ns = now_ns - run.received_ns
        if whole and age_ns > whole * _DAY_NS:
            self.receiving.remove(run, action="deleted: kept long enough")
        elif traces and run.captures and age_ns > traces * _DAY_NS:
            self.receiving.meta.expire_traces(run.run_id, now_ns=now_ns)
            self.receiving.sweep_run(run)
        else:
            return False
        log.info("run %s was kept long enough", run.run_id)
        return True


def _kept(run: Run, retention: Retention) -> tuple[int, int]:
    """Return for how many days a run is kept, and its traces; 0 is without end."""
    if PUBLISH in run.purposes.split():
        return retention.published_days, 0
    return retention.verdict_days, retention.traces_days


def _ends(retention: Retention) -> tuple[int, int, int]:
    return retention.verdict_days, retention.traces_days, retention.published_days
