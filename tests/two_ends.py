"""Two captures of one path whose every packet's fate, delay and clock the test decides.

True time is the client's clock; the server's is ahead by an offset and runs faster by a drift.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field, replace

import capture_files as cf
from mptcp_check.analysis.capture.capture_file import Capture, read
from mptcp_check.analysis.capture.link_layers import RAW
from mptcp_check.analysis.one_way.measure import measure
from mptcp_check.analysis.one_way.values import Fate, TwoEnds
from mptcp_check.analysis.options import tcp_options as tcp
from mptcp_check.analysis.pairing.pair import pair
from mptcp_check.model import Side
from segments import ACK, CLIENT, FIN, PSH, SERVER, SYN, Segment

MS = 1_000_000
SECOND = 1_000_000_000
MSS = 1000


@dataclass(kw_only=True)
class Ends:
    """A path between two machines and what was captured at both."""

    offset_ns: int = 3 * SECOND
    """How far the server's clock is ahead at the start."""
    drift_ppm: float = 0.0
    delay_ns: tuple[int, int] = (5 * MS, 5 * MS)
    """Least way to the server, and back."""
    snap_bytes: int = 262_144
    rewritten: Callable[[Segment], Segment] = lambda segment: segment
    """What the path makes of a packet from the client."""
    records: dict[Side, list[tuple[int, bytes]]] = field(
        default_factory=lambda: {side: [] for side in Side}
    )

    def server_ns(self, time_ns: int) -> int:
        """Return what the server's clock shows at a time."""
        return cf.START_NS + time_ns + self.offset_ns + round(time_ns * self.drift_ppm / 1e6)

    def note(self, side: Side, time_ns: int, segment: Segment) -> None:
        """Put a packet into one capture."""
        shown = cf.START_NS + time_ns if side is Side.CLIENT else self.server_ns(time_ns)
        self.records[side].append((shown, segment.packet()))

    def cross(
        self,
        time_ns: int,
        segment: Segment,
        *,
        by_client: bool,
        more_ns: int = 0,
        lost: bool = False,
        seen: Collection[Side] = tuple(Side),
    ) -> int:
        """Send a packet, at most to the other end; return when it is there."""
        ends = (Side.CLIENT, Side.SERVER) if by_client else (Side.SERVER, Side.CLIENT)
        arrives_ns = time_ns + self.delay_ns[not by_client] + more_ns
        if ends[0] in seen:
            self.note(ends[0], time_ns, segment)
        if ends[1] in seen and not lost:
            self.note(ends[1], arrives_ns, self.rewritten(segment) if by_client else segment)
        return arrives_ns

    def captures(self) -> tuple[Capture, Capture]:
        """Return both captures, the client's first."""
        return read(self.pcap(Side.CLIENT)), read(self.pcap(Side.SERVER))

    def pcap(self, side: Side) -> bytes:
        """Return one capture file, in the order of its times."""
        ordered = sorted(self.records[side], key=lambda record: record[0])
        return cf.pcap(
            [packet for _, packet in ordered],
            link_type=RAW,
            snap_bytes=self.snap_bytes,
            times_ns=[time_ns for time_ns, _ in ordered],
        )

    def measured(self) -> TwoEnds:
        """Return what the captures tell together."""
        return measure(pair(*self.captures()))


@dataclass(kw_only=True)
class Conversation:
    """A TCP connection over a path: a client that sends, a server that acknowledges."""

    ends: Ends
    client: tuple[str, int] = CLIENT
    server: tuple[str, int] = SERVER
    isn: tuple[int, int] = (1_000_000, 5_000_000)
    ip_id: int = 100
    taken: set[int] = field(default_factory=set)
    """Places of segments of `MSS` bytes that the server has."""

    def segment(
        self, place: int, time_ns: int, *, by_client: bool = True, **fields: object
    ) -> Segment:
        """Make a segment; timestamps are milliseconds, identification counts."""
        self.ip_id += 1
        ends = (self.client, self.server) if by_client else (self.server, self.client)
        own, other = self.isn if by_client else self.isn[::-1]
        acked = 0 if by_client else self.reached()
        stamp = tcp.Timestamps(value=time_ns // MS + 1, echo=1)
        made = Segment(
            source=ends[0],
            destination=ends[1],
            seq=own + 1 + place,
            ack=other + 1 + acked,
            ip_id=self.ip_id & 0xFFFF or 1,
            options=tcp.encode([stamp]),
        )
        return replace(made, **fields)  # type: ignore[arg-type]

    def reached(self) -> int:
        """Return how much the server has without a hole."""
        place = 0
        while place in self.taken:
            place += MSS
        return place

    def open(self, time_ns: int = 0) -> int:
        """Shake hands; return when it is done."""
        syn = self.segment(-1, time_ns, flags=SYN, ack=0)
        there = self.ends.cross(time_ns, syn, by_client=True)
        synack = self.segment(-1, there, by_client=False, flags=SYN | ACK)
        here = self.ends.cross(there, synack, by_client=False)
        self.ends.cross(here, self.segment(0, here), by_client=True)
        return here

    def data(
        self,
        time_ns: int,
        place: int,
        *,
        lost: bool = False,
        more_ns: int = 0,
        ack_lost: bool = False,
        seen: Collection[Side] = tuple(Side),
        taken: bool = True,
    ) -> None:
        """Send one segment of data and, if it arrives, let the server acknowledge at once."""
        payload = bytes((place // MSS + i) & 0xFF for i in range(MSS))
        segment = self.segment(place, time_ns, flags=ACK | PSH, payload=payload)
        arrives_ns = self.ends.cross(
            time_ns, segment, by_client=True, lost=lost, more_ns=more_ns, seen=seen
        )
        if lost:
            return
        if taken:
            self.taken.add(place)
        ack = self.segment(0, arrives_ns, by_client=False, options=self.told(arrives_ns))
        self.ends.cross(arrives_ns + 1000, ack, by_client=False, lost=ack_lost)

    def told(self, time_ns: int) -> bytes:
        """Return the options of an acknowledgement: timestamps, and a block above a hole."""
        stamp = tcp.Timestamps(value=time_ns // MS + 1, echo=1)
        above = sorted(place for place in self.taken if place > self.reached())
        if not above:
            return tcp.encode([stamp])
        left = self.isn[0] + 1 + above[-1]
        edges = (left % 2**32, (left + MSS) % 2**32)
        return tcp.encode([stamp, tcp.Sack(blocks=(edges,))])

    def close(self, time_ns: int, place: int) -> int:
        """End it from both sides."""
        fin = self.segment(place, time_ns, flags=FIN | ACK)
        there = self.ends.cross(time_ns, fin, by_client=True)
        answer = self.segment(0, there, by_client=False, flags=FIN | ACK)
        here = self.ends.cross(there, answer, by_client=False)
        self.ends.cross(here, self.segment(place + 1, here), by_client=True)
        return here


def fates(ends: TwoEnds, *, by_server: bool = False, data: bool | None = None) -> list[Fate]:
    """Return the fates of one direction in the order of sending; of segments with data, or not."""
    found = ends.crossings
    chosen = found.by_server == by_server
    if data is not None:
        chosen &= (found.payload_bytes > 0) == data
    return [Fate(fate) for fate in found.fate[chosen].tolist()]


def delays_ns(ends: TwoEnds, *, by_server: bool = False) -> list[int]:
    """Return the delays of one direction in the order of sending."""
    found = ends.crossings
    chosen: Iterable[int] = found.delay_ns[(found.by_server == by_server) & found.has_delay]
    return [int(value) for value in chosen]
