"""How far the DSS mappings of one direction reach: where Multipath TCP ended and TCP went on."""

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from mptcp_check.analysis.capture.column_types import Column
from mptcp_check.analysis.capture.packets import DssFlag, Present, Subtype
from mptcp_check.analysis.pairing.halves import UNKNOWN, Half, HalfTable

_SEQUENCE_SPACE: Final = 1 << 32
_NEVER: Final = int(np.iinfo(np.int64).max)
_MAPPING: Final = int(DssFlag.MAPPING)
_DATA_FIN: Final = int(DssFlag.DATA_FIN)
_DATA_LENGTH: Final = int(Present.DATA_LENGTH)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapped:
    """What one capture shows of one direction's mappings."""

    stream_bytes: int
    """Length of the payload, from the first byte to the last one captured."""
    mapped_bytes: int
    """Place after the last byte that a mapping covers; 0 without any mapping."""
    infinite: bool
    """Whether an infinite mapping was sent (RFC 8684, section 3.7)."""
    failed: bool
    """Whether MP_FAIL was sent."""
    data_fin_ns: int | None
    """Time of the first DATA_FIN."""
    aborted: bool
    """Whether MP_FASTCLOSE was sent (RFC 8684, section 3.5)."""

    @property
    def is_unmapped(self) -> bool:
        """Whether payload was sent and none of it is mapped."""
        return self.stream_bytes > 0 and self.mapped_bytes == 0 and not self.infinite

    @property
    def ends_unmapped(self) -> bool:
        """Whether payload goes on after the last mapping, or under an infinite one."""
        return self.infinite or 0 < self.mapped_bytes < self.stream_bytes < _SEQUENCE_SPACE


def mapped(half: Half) -> Mapped:
    """Measure one direction of one subflow in one capture.

    A mapping counts from the initial sequence number, whose own number is 0: the first byte of
    payload is 1 (RFC 8684, section 3.3.1).  MP_CAPABLE with data maps the first bytes as well
    (section 3.1).  One mapping may cover many segments, and may be repeated on each.
    """
    columns, number = half.table.once(_columns), half.number
    data_fin_ns = columns.data_fin_ns[number]
    return Mapped(
        stream_bytes=columns.stream_bytes[number],
        mapped_bytes=columns.mapped_bytes[number],
        infinite=columns.infinite[number],
        failed=columns.failed[number],
        data_fin_ns=None if data_fin_ns == _NEVER else data_fin_ns,
        aborted=columns.aborted[number],
    )


class _Columns(NamedTuple):
    """What `Mapped` has, of all halves of a capture."""

    stream_bytes: list[int]
    mapped_bytes: list[int]
    infinite: list[bool]
    failed: list[bool]
    data_fin_ns: list[int]
    aborted: list[bool]


def _columns(table: HalfTable) -> _Columns:
    packets, count = table.capture.packets, len(table)
    dss, signals = packets.dss, packets.signals
    half_of = np.full(len(packets), UNKNOWN, np.int64)
    half_of[table.rows] = table.half_of
    owners = half_of[dss.packet]
    maps = np.flatnonzero(((dss.parts & _MAPPING) != 0) & (owners != UNKNOWN))
    fins = np.flatnonzero(((dss.flags & _DATA_FIN) != 0) & (owners != UNKNOWN))
    lengths = dss.data_length[maps].astype(np.int64)
    # a DATA_FIN alone has subflow sequence number 0; with data it counts as one byte more
    finishing = (dss.flags[maps] & _DATA_FIN) != 0
    reach = dss.ssn[maps].astype(np.int64) - 1 + lengths - finishing
    reaches = dss.ssn[maps] > 0
    mapped_bytes = np.zeros(count, np.int64)
    np.maximum.at(mapped_bytes, owners[maps[reaches]], reach[reaches])
    data_fin_ns = np.full(count, _NEVER, np.int64)
    np.minimum.at(data_fin_ns, owners[fins], packets.time_ns[dss.packet[fins]])
    speakers = half_of[signals.packet]
    spoken = np.flatnonzero(speakers != UNKNOWN)
    first_data = spoken[(signals.present[spoken] & _DATA_LENGTH) != 0]
    np.maximum.at(
        mapped_bytes, speakers[first_data], signals.data_length[first_data].astype(np.int64)
    )
    subtypes = signals.subtype[spoken]
    return _Columns(
        stream_bytes=np.maximum(table.captured.highest, 0).tolist(),
        mapped_bytes=mapped_bytes.tolist(),
        infinite=_any(count, owners[maps[lengths == 0]]),
        failed=_any(count, speakers[spoken[subtypes == int(Subtype.MP_FAIL)]]),
        data_fin_ns=data_fin_ns.tolist(),
        aborted=_any(count, speakers[spoken[subtypes == int(Subtype.MP_FASTCLOSE)]]),
    )


def _any(count: int, halves: Column) -> list[bool]:
    found = np.zeros(count, np.bool_)
    found[halves] = True
    answer: list[bool] = found.tolist()
    return answer
