"""What the two ends told each other beside the data: joins, addresses, priorities, failures."""

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np

from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.capture.packets import DssFlag, Flag, OptionProblem, Packets, Subtype
from mptcp_check.analysis.flows.connections import Connection
from mptcp_check.analysis.pairing.mptcp_options import options_of
from mptcp_check.analysis.series.values import EventKind, Events

_ECHO: Final = 0x1
"""Flag E of ADD_ADDR: RFC 8684, section 3.4.1."""
_BACKUP: Final = 0x1
"""Flag B of MP_PRIO: RFC 8684, section 3.3.8."""
_KINDS: Final = {
    Subtype.ADD_ADDR: EventKind.ADD_ADDR,
    Subtype.REMOVE_ADDR: EventKind.REMOVE_ADDR,
    Subtype.MP_PRIO: EventKind.MP_PRIO,
    Subtype.MP_FAIL: EventKind.MP_FAIL,
    Subtype.MP_FASTCLOSE: EventKind.MP_FASTCLOSE,
    Subtype.MP_TCPRST: EventKind.MP_TCPRST,
}


class _Found(NamedTuple):
    """Events of one kind on one side of one subflow."""

    rows: Column
    """Rows in `Packets`."""
    kind: EventKind
    detail: Column


def events(packets: Packets, connection: Connection) -> Events:
    """Return the events of a connection in the order of time."""
    parts: list[tuple[Column, ...]] = []
    for subflow in connection.subflows:
        for from_client, rows in ((True, subflow.rows_c2s), (False, subflow.rows_s2c)):
            for found in (*_signalled(packets, rows), *_mapped(packets, rows)):
                count = len(found.rows)
                parts.append(
                    (
                        packets.time_ns[found.rows],
                        np.full(count, found.kind, np.uint8),
                        np.full(count, subflow.id, np.int64),
                        np.full(count, from_client, np.bool_),
                        found.detail.astype(np.int64),
                    )
                )
    columns = [np.concatenate([part[column] for part in parts]) for column in range(5)]
    order = np.argsort(columns[0], kind="stable")
    time_ns, kind, number, sender, detail = (column[order] for column in columns)
    return Events(time_ns=time_ns, kind=kind, subflow=number, from_client=sender, detail=detail)


def _signalled(packets: Packets, rows: Column) -> Iterator[_Found]:
    """Yield what options other than DSS say, and resets."""
    table = packets.signals
    own = options_of(table.packet, rows)
    own = own[np.isin(table.problem[own], (OptionProblem.NONE, OptionProblem.CUT))]
    subtype, carrier = table.subtype[own], table.packet[own]
    opening = (packets.flags[carrier] & (Flag.SYN | Flag.ACK)) == Flag.SYN
    for wanted, kind in (
        (Subtype.MP_CAPABLE, EventKind.MP_CAPABLE),
        (Subtype.MP_JOIN, EventKind.MP_JOIN),
    ):
        chosen = (subtype == wanted) & opening
        detail = table.address_id[own[chosen]].astype(np.int64)
        yield _Found(carrier[chosen], kind, detail if wanted == Subtype.MP_JOIN else detail * 0 - 1)
    for wanted, kind in _KINDS.items():
        chosen = own[subtype == wanted]
        if wanted == Subtype.ADD_ADDR:
            echo = (table.flags[chosen] & _ECHO) != 0
            yield _of(packets, chosen[echo], EventKind.ADD_ADDR_ECHO)
            chosen = chosen[~echo]
        yield _of(packets, chosen, kind)
    resets = rows[(packets.flags[rows] & Flag.RST) != 0]
    resets = resets[~np.isin(resets, carrier[subtype == Subtype.MP_TCPRST])]
    yield _Found(resets, EventKind.RST, np.full(len(resets), -1))


def _of(packets: Packets, own: Column, kind: EventKind) -> _Found:
    table = packets.signals
    match kind:
        case EventKind.ADD_ADDR | EventKind.ADD_ADDR_ECHO | EventKind.REMOVE_ADDR:
            detail = table.address_id[own]
        case EventKind.MP_PRIO:
            detail = table.flags[own] & _BACKUP
        case EventKind.MP_TCPRST:
            detail = table.reason[own]
        case _:
            detail = np.full(len(own), -1)
    return _Found(table.packet[own], kind, detail)


def _mapped(packets: Packets, rows: Column) -> Iterator[_Found]:
    """Yield DATA_FINs and infinite mappings."""
    dss = packets.dss
    own = options_of(dss.packet, rows)
    own = own[(dss.parts[own] & DssFlag.MAPPING) != 0]
    finishing = (dss.flags[own] & DssFlag.DATA_FIN) != 0
    endless = dss.data_length[own] == 0
    for chosen, kind in (
        (own[finishing & ~endless], EventKind.DATA_FIN),
        (own[endless], EventKind.INFINITE_MAPPING),
    ):
        yield _Found(dss.packet[chosen], kind, np.full(len(chosen), -1))
