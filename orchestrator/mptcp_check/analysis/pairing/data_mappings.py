"""How far the DSS mappings of one direction reach: where Multipath TCP ended and TCP went on."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from mptcp_check.analysis.capture.packets import DssFlag, Present, Subtype
from mptcp_check.analysis.pairing.mptcp_options import options_of
from mptcp_check.analysis.pairing.paired import Half

_SEQUENCE_SPACE: Final = 1 << 32


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
    packets = half.capture.packets
    dss, signals = packets.dss, packets.signals
    carriers = packets.payload_bytes[half.rows] > 0
    ends = half.starts + packets.payload_bytes[half.rows]
    own = options_of(dss.packet, half.rows)
    maps = own[(dss.parts[own] & DssFlag.MAPPING) != 0]
    fins = own[(dss.flags[own] & DssFlag.DATA_FIN) != 0]
    lengths = dss.data_length[maps].astype(np.int64)
    # a DATA_FIN alone has subflow sequence number 0; with data it counts as one byte more
    finishing = (dss.flags[maps] & DssFlag.DATA_FIN) != 0
    reach = dss.ssn[maps].astype(np.int64) - 1 + lengths - finishing
    spoken = options_of(signals.packet, half.rows)
    first_data = spoken[(signals.present[spoken] & Present.DATA_LENGTH) != 0]
    subtypes = signals.subtype[spoken]
    return Mapped(
        stream_bytes=int(ends[carriers].max(initial=0)),
        mapped_bytes=max(
            int(reach[dss.ssn[maps] > 0].max(initial=0)),
            int(signals.data_length[first_data].max(initial=0)),
        ),
        infinite=bool((lengths == 0).any()),
        failed=bool((subtypes == Subtype.MP_FAIL).any()),
        data_fin_ns=int(packets.time_ns[dss.packet[fins]].min()) if len(fins) else None,
        aborted=bool((subtypes == Subtype.MP_FASTCLOSE).any()),
    )
