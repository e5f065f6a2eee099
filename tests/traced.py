"""Traces with times for the tests of series and plots: what happened when, in milliseconds."""

from dataclasses import dataclass, field

from hypothesis import strategies as st

import capture_files as cf
from mptcp_check.analysis.capture.capture_file import Capture, read
from mptcp_check.analysis.capture.link_layers import RAW
from mptcp_check.analysis.capture.packets import DssFlag
from mptcp_check.analysis.flows import crypto
from mptcp_check.analysis.flows.connections import connections
from mptcp_check.analysis.options.mptcp_values import Dss, Mapping
from mptcp_check.analysis.series.extraction import series_of
from mptcp_check.analysis.series.values import ConnectionSeries, DirectionSeries
from segments import ACK, CLIENT_2, PSH, Subflow, Talk

MS = 1_000_000
LOW_32 = 0xFFFF_FFFF


@dataclass(kw_only=True)
class Traced:
    """A talk whose segments have times; data numbers are relative to the IDSN."""

    talk: Talk = field(default_factory=Talk)
    times_ms: list[float] = field(default_factory=list)

    def at(self, time_ms: float) -> None:
        """Give this time to every segment written since the last call."""
        missing = len(self.talk.segments) - len(self.times_ms)
        self.times_ms += [time_ms] * missing

    def opened(self) -> tuple[Subflow, Subflow]:
        """Open a connection at 0 ms and join it at 10 ms."""
        first = self.talk.capable(self.talk.subflow())
        self.at(0)
        second = self.talk.join(self.talk.subflow(client=CLIENT_2, isn=(50_000, 70_000)))
        self.at(10)
        return first, second

    def send(
        self,
        time_ms: float,
        subflow: Subflow,
        dsn: int,
        length: int,
        *,
        end: int = 0,
        mapped: int | None = None,
        again: int | None = None,
        mapped_from: int | None = None,
        short: bool = False,
    ) -> None:
        """Send data; `mapped` bytes are mapped, from which SSN; `again` is an old SSN."""
        ssn = subflow.sent[end] if again is None else again
        flags = DssFlag.MAPPING | (DssFlag(0) if short else DssFlag.DSN_64)
        mapping = Mapping(
            dsn=self.number(end, dsn, short=short),
            ssn=ssn if mapped_from is None else mapped_from,
            data_length_bytes=length if mapped is None else mapped,
        )
        before = subflow.sent[end]
        subflow.sent[end] = ssn
        subflow.send(end, ACK | PSH, [Dss(flags=int(flags), mapping=mapping)], bytes(length))
        subflow.sent[end] = max(before, subflow.sent[end])
        self.at(time_ms)

    def unmapped(self, time_ms: float, subflow: Subflow, length: int) -> None:
        """Send data without a mapping of its own."""
        subflow.send(0, ACK | PSH, [], bytes(length))
        self.at(time_ms)

    def acknowledge(
        self, time_ms: float, subflow: Subflow, data_ack: int, ack: int, *, end: int = 1
    ) -> None:
        """Let an end acknowledge data and, by TCP, a place in the subflow."""
        flags = DssFlag.DATA_ACK | DssFlag.DATA_ACK_64
        sent, subflow.sent[1 - end] = subflow.sent[1 - end], ack
        number = self.number(1 - end, data_ack)
        subflow.send(end, ACK, [Dss(flags=int(flags), data_ack=number)])
        subflow.sent[1 - end] = sent
        self.at(time_ms)

    def number(self, end: int, relative: int, *, short: bool = False) -> int:
        key = (self.talk.client_key, self.talk.server_key)[end]
        idsn = crypto.initial_data_sequence_number(key, self.talk.version)
        return (idsn + relative) & (LOW_32 if short else 0xFFFF_FFFF_FFFF_FFFF)

    def capture(self) -> Capture:
        times = [cf.START_NS + int(t * MS) for t in self.times_ms]
        return read(cf.pcap(self.talk.packets(), link_type=RAW, times_ns=times))

    def series(self) -> ConnectionSeries:
        packets = self.capture().packets
        (connection,) = connections(packets)
        return series_of(packets, connection)

    def direction(self, *, from_client: bool = True) -> DirectionSeries:
        return next(d for d in self.series().directions if d.from_client is from_client)


def since_ms(time_ns: list[int]) -> list[float]:
    """Return times in milliseconds from the trace's start."""
    return [(value - cf.START_NS) / MS for value in time_ns]


def two_paths() -> Traced:
    """Two subflows, a retransmission, a reinjection, acknowledgements: what is drawn, at once.

    ====  ===================================================================
    20    100 bytes, data 1 to 100, on the first subflow
    30    200 bytes, data 101 to 300, on the second
    60    the first 100 are acknowledged, after 40 ms
    70    data 301 to 400 on the first subflow: lost
    170   the same again by TCP
    180   the second's 200 bytes once more, on the first subflow: a reinjection
    210   everything on the first subflow is acknowledged
    ====  ===================================================================
    """
    traced = Traced()
    first, second = traced.opened()
    traced.send(20, first, 1, 100)
    traced.send(30, second, 101, 200)
    traced.acknowledge(60, first, 101, 101)
    traced.send(70, first, 301, 100)
    traced.send(170, first, 301, 100, again=101)
    traced.send(180, first, 101, 200)
    traced.acknowledge(210, first, 401, 401)
    return traced


@st.composite
def strange(draw: st.DrawFn) -> Traced:
    """Return two paths and what no sane end would send."""
    traced = two_paths()
    first = traced.talk.subflow(isn=(1000, 9000))
    for _ in range(draw(st.integers(0, 5))):
        first.sent = [draw(st.integers(0, LOW_32)) for _ in range(2)]
        traced.send(
            draw(st.integers(0, 300)),
            first,
            draw(st.integers(0, (1 << 64) - 1)),
            draw(st.integers(0, 50)),
            end=draw(st.integers(0, 1)),
            mapped=draw(st.integers(0, 0xFFFF)),
            short=draw(st.booleans()),
        )
        first.sent = [draw(st.integers(0, LOW_32)) for _ in range(2)]
        number = draw(st.integers(0, (1 << 64) - 1))
        end = draw(st.integers(0, 1))
        traced.acknowledge(draw(st.integers(0, 300)), first, number, first.sent[1 - end], end=end)
    return traced
