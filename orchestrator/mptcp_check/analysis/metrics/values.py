"""What `inspection` measures, as values: per direction, per subflow, per connection, per file."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mptcp_check.analysis.capture.records import Interface, Problem
from mptcp_check.analysis.flows.endpoints import Endpoint
from mptcp_check.analysis.flows.subflows import Close, HmacState, Kind, Role

if TYPE_CHECKING:
    from mptcp_check.analysis.metrics.inspection import Connections


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundTrips:
    """Round-trip times from the capture point to the receiver and back, nanoseconds.

    Median, 95th percentile and standard deviation come from a histogram whose cells are 1/64 of
    their value wide; least, largest and mean are exact.  None without a sample.
    """

    count: int = 0
    min_ns: int | None = None
    median_ns: int | None = None
    p95_ns: int | None = None
    max_ns: int | None = None
    mean_ns: int | None = None
    stddev_ns: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectionMetrics:
    """What one end of a subflow sent."""

    packets_count: int = 0
    payload_bytes: int = 0
    """All TCP payload, retransmissions included."""
    data_packets_count: int = 0
    """Segments with payload."""
    unique_bytes: int = 0
    """TCP payload by the union of its sequence numbers."""
    retransmitted_bytes: int = 0
    """Payload whose sequence numbers were seen before: `payload_bytes` less `unique_bytes`."""
    retransmitted_count: int = 0
    """Segments that held such payload."""
    out_of_order_count: int = 0
    """Segments with new payload below the highest sequence number seen before."""
    missed_bytes: int = 0
    """Holes in the sequence numbers: sent, not captured."""
    forgotten_hole_bytes: int = 0
    """More holes at once than are kept: `unique_bytes` may be too low, `retransmitted_bytes` and
    `missed_bytes` too high, by at most this; 0 means that they are exact."""
    ack_count: int = 0
    """Segments with ACK."""
    pure_ack_count: int = 0
    """Segments without payload, SYN, FIN and RST."""
    duplicate_ack_count: int = 0
    """Pure ACKs that repeat number and window while data is in flight: RFC 5681, section 2."""
    triple_duplicate_ack_count: int = 0
    """Times that three of them came in a row: RFC 5681, section 3.2."""
    sack_permitted: bool = False
    """Its SYN offers selective acknowledgements: RFC 2018, section 2."""
    sack_count: int = 0
    """Segments with a SACK option: RFC 2018, section 3."""
    dsack_count: int = 0
    """Those whose first block reports what came twice: RFC 2883, section 4."""
    sack_blocks_max: int = 0
    """Most blocks in one of them."""
    zero_window_count: int = 0
    """Segments other than RST that announce no window."""
    zero_window_ns: int = 0
    """How long the announced window was 0, all times together."""
    zero_window_probe_count: int = 0
    """Segments with payload while the other end announces no window."""
    zero_window_probe_bytes: int = 0
    """Their payload."""
    window_max_bytes: int = 0
    """Largest announced window, scaled (RFC 7323, section 2.3) where both SYNs were captured; SYNs
    and RSTs are left out."""
    window_min_bytes: int | None = None
    """Least of those."""
    window_mean_bytes: int | None = None
    """Mean of those; every segment counts the same."""
    window_scale: int | None = None
    """Shift count of the SYN's option."""
    timestamps_offered: bool = False
    """Its SYN has a timestamp: RFC 7323, section 3.2."""
    mss_bytes: int | None = None
    """Maximum segment size that its SYN announces: RFC 9293, section 3.7.1."""
    segment_max_bytes: int = 0
    """Largest payload of one segment."""
    segment_min_bytes: int | None = None
    """Least payload of a segment that has any."""
    initial_window_bytes: int = 0
    """Payload sent before the first acknowledgement of any of it."""
    initial_window_count: int = 0
    """Segments of that payload, without those sent again."""
    flight_max_bytes: int = 0
    """Most payload sent and not acknowledged at one time, as seen at the capture point."""
    syn_count: int = 0
    fin_count: int = 0
    rst_count: int = 0
    push_count: int = 0
    urgent_count: int = 0
    urgent_bytes: int = 0
    """Sum of their urgent pointers."""
    ecn_ce_count: int = 0
    """Packets with Congestion Experienced: RFC 3168, section 5."""
    ece_count: int = 0
    """Segments that echo it: flag ECE, SYNs left out."""
    cut_count: int = 0
    """Segments whose payload was not captured whole."""
    cut_bytes: int = 0
    """Payload that was not captured of them."""
    first_ns: int | None = None
    """Time of the first segment."""
    last_ns: int | None = None
    """Time of the last one."""
    first_data_ns: int | None = None
    last_data_ns: int | None = None
    idle_max_ns: int = 0
    """Longest time between two segments of this direction."""
    throughput_bps: float | None = None
    """Bits of `unique_bytes` per second from the first to the last segment with payload."""
    syn_rtt_ns: int | None = None
    """From its SYN to the acknowledgement of it; none where the SYN was sent again."""
    rtt_timestamps: RoundTrips = field(default_factory=RoundTrips)
    """From a segment to the first that echoes its timestamp: RFC 7323, section 4.1."""
    rtt_acks: RoundTrips = field(default_factory=RoundTrips)
    """From payload to its acknowledgement, without what was retransmitted (Karn's algorithm)."""

    mapping_count: int = 0
    """Distinct mappings: (DSN, SSN, length); one repeated on a burst's segments counts once."""
    doubtful_mapping_count: int = 0
    """Mappings without new data, when the oldest were forgotten: they may count twice, and
    `duplicate_mapped_bytes` and checksums with them; 0 means that these are exact."""
    mapped_bytes: int = 0
    """Data that the mappings of this subflow carried, by the union of their DSN intervals."""
    duplicate_mapped_bytes: int = 0
    """What distinct mappings carried beyond data that any subflow had carried before."""
    reinjected_bytes: int = 0
    """The part of it that another subflow had carried before: RFC 8684, section 3.3.6."""
    forgotten_mapped_bytes: int = 0
    """As `forgotten_hole_bytes`, of the data: `mapped_bytes` and `reinjected_bytes` may be too low
    by at most this."""
    infinite_mapping_count: int = 0
    """Mappings of length 0: RFC 8684, section 3.7."""
    dss_checksum_ok_count: int = 0
    """Distinct mappings with a right checksum: RFC 8684, section 3.3.1."""
    dss_checksum_bad_count: int = 0
    dss_checksum_unknown_count: int = 0
    """Mappings with a checksum whose data was not captured whole."""
    data_ack_count: int = 0
    """Segments with a DATA_ACK."""
    data_share: float | None = None
    """Part of the connection's data that came first on this subflow, 0 to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubflowMetrics:
    """One TCP connection as part of a connection."""

    id: int
    """Position in the connection, from 0."""
    flow: int
    """Number of the TCP connection in the file, in the order of first segments, from 0."""
    role: Role
    complete: bool
    """The three-way handshake was seen, each step with the option of the role."""
    midstream: bool
    """Neither SYN nor SYN/ACK was captured."""
    opened_by_server: bool
    """The connection's server sent the SYN."""
    hmac: HmacState
    hmac_ok_count: int
    hmac_bad_count: int
    backup: bool
    speaks_mptcp: bool
    """Any segment has a kind-30 option."""
    client: Endpoint
    server: Endpoint
    token: int | None
    """Token in the MP_JOIN SYN; none for the initial subflow."""
    start_ns: int
    end_ns: int
    handshake_ns: int | None
    """From the first SYN to the SYN/ACK: RFC 9293, section 3.5."""
    join_delay_ns: int | None
    """From the connection's first segment to this subflow's first SYN; none for the initial one."""
    c2s: DirectionMetrics
    s2c: DirectionMetrics


@dataclass(frozen=True, slots=True, kw_only=True)
class DataMetrics:
    """One direction of a connection's data, over all subflows."""

    data_bytes: int = 0
    """Union of distinct DSN intervals; of TCP and fallback, of the sequence numbers."""
    acknowledged_bytes: int = 0
    """How far DATA_ACKs went from the first data on; the number of a DATA_FIN counts."""
    duplicate_bytes: int = 0
    """What distinct mappings carried beyond it."""
    reinjected_bytes: int = 0
    """The part that another subflow had carried before."""
    missing_bytes: int = 0
    """Holes in the data sequence numbers."""
    forgotten_hole_bytes: int = 0
    """More holes at once than are kept: `data_bytes` may be too low, `duplicate_bytes` and
    `missing_bytes` too high, by at most this."""
    out_of_order_count: int = 0
    """Distinct mappings with new data that begins below the highest DSN seen before."""
    gap_count: int = 0
    """Distinct mappings that begin above the highest DSN seen before: earlier data is late."""
    reorder_max_bytes: int = 0
    """Most data that waited above the first hole."""
    head_of_line_ns: int = 0
    """How long data waited for a hole below it to be filled, all times together."""
    head_of_line_max_ns: int = 0
    """The longest of these waits."""
    first_ns: int | None = None
    """Time of the first data."""
    last_ns: int | None = None
    """Time of the last new data."""
    goodput_bps: float | None = None
    """Bits of `data_bytes` per second from the first to the last new data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionMetrics:
    """A connection with its subflows; plain TCP has one."""

    id: int
    """Position in the file by the time of the first segment, from 0."""
    kind: Kind
    mptcp_version: int | None
    client: Endpoint
    server: Endpoint
    token_client: int | None
    token_server: int | None
    checksum_required: bool | None
    """Flag A of MP_CAPABLE by either end; none where the handshake was not captured."""
    established: bool
    """The three-way handshake with MP_CAPABLE in each step was captured."""
    orphan: bool
    """Only joins were captured."""
    close: Close
    start_ns: int
    end_ns: int
    handshake_ns: int | None
    """From the first SYN to the SYN/ACK of the initial subflow."""
    add_addr_ok_count: int
    """ADD_ADDR HMACs found right: RFC 8684, section 3.4.1."""
    add_addr_bad_count: int
    add_addr_leftmost_count: int
    """Right ones of which the leftmost 64 bits were sent, not the rightmost: an early Linux 5.7."""
    c2s: DataMetrics
    s2c: DataMetrics
    subflows: tuple[SubflowMetrics, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """The whole file; the names are those of ``inspect --json``."""

    tcp_packets: int = 0
    mp_capable_attempts: int = 0
    """SYNs with MP_CAPABLE, retransmissions counted once."""
    mp_capable_established: int = 0
    """Three-way handshakes with MP_CAPABLE in each step."""
    mp_capable_plain_synack: int = 0
    """Attempts that a SYN/ACK without MP_CAPABLE answered."""
    join_attempts: int = 0
    join_complete: int = 0
    join_without_connection: int = 0
    """Attempts whose token no captured connection has."""
    midstream_subflows: int = 0
    """TCP connections with kind-30 options, but none of the handshake in a SYN or SYN/ACK."""
    rst_packets: int = 0
    hmac_ok: int = 0
    hmac_bad: int = 0
    dss_checksum_ok: int = 0
    dss_checksum_bad: int = 0
    infinite_mappings: int = 0
    data_bytes_c2s: int = 0
    """Data of Multipath TCP connections: union of distinct DSN intervals."""
    data_bytes_s2c: int = 0
    duplicate_bytes: int = 0
    options: Mapping[str, int] = field(default_factory=dict)
    """Count of options by the name of their subtype."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What one capture file holds."""

    format: str
    """``pcap``, ``pcapng``, or empty: then nothing could be read and `problems` says why."""
    interfaces: tuple[Interface, ...]
    link_types: tuple[str, ...]
    """Names of the link types in the file, each once."""
    problems: tuple[Problem, ...]
    packets_count: int
    """Frames, TCP or not."""
    bytes_count: int
    """Size of what was read, uncompressed."""
    fragment_count: int
    cut_count: int
    """Segments captured with less than a TCP header."""
    late_count: int
    """Segments earlier than what was already measured: of these the order of time is not restored,
    so repeats, holes and times of their connections may be counted wrong."""
    first_ns: int | None
    last_ns: int | None
    totals: Totals
    connections: "Connections"
    """In the order of their first segments."""
