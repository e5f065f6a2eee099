"""Events as marks: those of one kind that fall into one pixel become one mark with a count."""

from typing import Final

import numpy as np

from mptcp_check.analysis.plots import style
from mptcp_check.analysis.plots.figure import Mark
from mptcp_check.analysis.series.values import ConnectionSeries, EventKind

_COLUMNS: Final = 2_000
_WITH_DETAIL: Final = {
    EventKind.ADD_ADDR: "address {}",
    EventKind.ADD_ADDR_ECHO: "address {}",
    EventKind.REMOVE_ADDR: "address {}",
    EventKind.MP_TCPRST: "reason {}",
}
_NAMES: Final = {
    EventKind.ADD_ADDR_ECHO: "ADD_ADDR echo",
    EventKind.INFINITE_MAPPING: "infinite mapping",
}


def marks_of(series: ConnectionSeries, *, x_max_ns: int) -> tuple[Mark, ...]:
    """Return the marks of a connection in the order of time.

    Args:
        series: Whose events.
        x_max_ns: Where the time axis ends.
    """
    events = series.events
    if not len(events):
        return ()
    since = events.time_ns - series.connection.start_ns
    column = since * _COLUMNS // x_max_ns
    keys = np.stack(
        [column, events.kind.astype(np.int64), events.subflow, events.from_client, events.detail]
    )
    _, first, counts = np.unique(keys, axis=1, return_index=True, return_counts=True)
    order = np.argsort(first)
    return tuple(
        Mark(
            x_ns=int(since[at]),
            label=_label(
                EventKind(int(events.kind[at])),
                int(events.subflow[at]),
                int(events.detail[at]),
                from_client=bool(events.from_client[at]),
            ),
            colour=style.colour(int(events.subflow[at])),
            count=int(count),
        )
        for at, count in zip(first[order], counts[order], strict=True)
    )


def _label(kind: EventKind, subflow: int, detail: int, *, from_client: bool) -> str:
    name = _NAMES.get(kind, kind.name)
    if kind is EventKind.MP_PRIO:
        name += " backup" if detail else " regular"
    elif kind in _WITH_DETAIL and detail >= 0:
        name += f" {_WITH_DETAIL[kind].format(detail)}"
    return f"{name} · {subflow}{'→' if from_client else '←'}"
