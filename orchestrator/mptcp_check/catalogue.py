"""What a path can do to Multipath TCP: the identifiers that code, reports and the lab share.

An identifier never changes its meaning; a new meaning gets a new identifier.  `docs/behaviours.md`
is this table for people, and a test compares the two.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


class Group(enum.StrEnum):
    """What part of a connection a behaviour touches; the headings of the catalogue."""

    HANDSHAKE = "handshake"
    SUBFLOWS = "subflows"
    DATA = "data"
    CONNECTION = "connection"
    TCP = "tcp"
    """Matters to a researcher, breaks nothing of Multipath TCP."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """One thing a path can do."""

    id: str
    group: Group
    meaning: str
    """Completes the sentence 'The path ...'."""
    consequence: str
    """What Multipath TCP does then; measured on Linux 6.18 where it names a counter or a time."""
    source: str
    """Where the protocol's side of it is written."""


def _rows(group: Group, *rows: tuple[str, str, str, str]) -> tuple[Behaviour, ...]:
    return tuple(
        Behaviour(id=id_, group=group, meaning=meaning, consequence=consequence, source=source)
        for id_, meaning, consequence, source in rows
    )


_HANDSHAKE: Final = _rows(
    Group.HANDSHAKE,
    (
        "mp_capable_removed_from_syn",
        "removes MP_CAPABLE from the SYN, or overwrites it with NOPs",
        "plain TCP without delay; the client counts MPCapableFallbackSYNACK",
        "RFC 8684, sections 3.1 and 3.7",
    ),
    (
        "mp_capable_removed_from_synack",
        "removes MP_CAPABLE from the SYN/ACK",
        "plain TCP; the client counts MPCapableFallbackSYNACK, the server MPCapableFallbackACK",
        "RFC 8684, sections 3.1 and 3.7",
    ),
    (
        "mp_capable_syn_dropped",
        "drops SYNs that carry MP_CAPABLE and lets plain SYNs pass",
        "plain TCP after 3.07 s, then the client's kernel does not try Multipath TCP for an hour",
        "RFC 8684, section 3.7; Linux net.mptcp.syn_retrans_before_tcp_fallback",
    ),
    (
        "mp_capable_synack_dropped",
        "drops SYN/ACKs that carry MP_CAPABLE",
        "never connects: the plain SYN meets the same request at the server",
        "RFC 8684, section 3.7",
    ),
    (
        "mp_capable_syn_reset",
        "answers a SYN that carries MP_CAPABLE with a RST",
        "connection refused, without a fallback",
        "RFC 8684, section 3.7",
    ),
    (
        "mptcp_option_echoed",
        "returns the client's own MP_CAPABLE bytes in the SYN/ACK",
        "plain TCP",
        "RFC 8684, section 3.1; RFC 6824, section 3.1",
    ),
    (
        "mp_capable_key_altered",
        "changes a key in MP_CAPABLE",
        "live-lock: data is sent again for ever, and every MP_JOIN is answered with a RST",
        "RFC 8684, sections 3.1 and 3.2",
    ),
    (
        "long_options_dropped",
        "drops segments whose TCP options exceed some size",
        "no connection",
        "RFC 9293, section 3.1 (40 bytes of options)",
    ),
)

_SUBFLOWS: Final = _rows(
    Group.SUBFLOWS,
    (
        "mp_join_removed",
        "removes MP_JOIN from the handshake of a further subflow",
        "no further subflow; the first one goes on",
        "RFC 8684, section 3.2",
    ),
    (
        "mp_join_dropped",
        "drops SYNs that carry MP_JOIN",
        "the SYN is sent again in vain; the first subflow goes on",
        "RFC 8684, section 3.2",
    ),
    (
        "mp_join_reset",
        "answers a SYN that carries MP_JOIN with a RST",
        "no further subflow; the first one goes on",
        "RFC 8684, section 3.2",
    ),
    (
        "add_addr_removed",
        "removes ADD_ADDR",
        (
            "the address is not learnt; the whole connection falls back to TCP when the "
            "option rides on the fourth ACK"
        ),
        "RFC 8684, section 3.4.1",
    ),
    (
        "address_translated",
        "rewrites addresses or ports (NAT)",
        "none: tokens and address identifiers exist for this",
        "RFC 8684, sections 2.2 and 3.2",
    ),
)

_DATA: Final = _rows(
    Group.DATA,
    (
        "mptcp_option_removed_from_data",
        "removes MPTCP options from the segments after the SYNs, from the first one on",
        (
            "plain TCP at the first data (MPCapableDataFallback, DssFallback); with options "
            "gone towards a client that receives in bulk, bytes are delivered twice"
        ),
        "RFC 8684, section 3.7",
    ),
    (
        "mptcp_option_removed_midstream",
        "begins to remove MPTCP options in the middle of a connection",
        (
            "one subflow: the receiver of data goes on as TCP (DssFallback), in bulk bytes "
            "are delivered twice or the application hangs; two: both are reset and the "
            "application hangs"
        ),
        "RFC 8684, section 3.7",
    ),
    (
        "mptcp_data_dropped",
        "drops data that carries MPTCP options",
        "hangs, without a fallback",
        "RFC 8684, section 3.7",
    ),
    (
        "payload_altered",
        "changes payload bytes and keeps the length",
        (
            "without DSS checksums the wrong bytes are delivered unnoticed; with them MP_FAIL, and"
            " plain TCP on one subflow or a reset of the bad one of two"
        ),
        "RFC 8684, sections 3.3.1 and 3.7",
    ),
    (
        "payload_resized",
        "changes the payload's length (FTP, SIP and IRC gateways)",
        (
            "without DSS checksums a hang on one subflow or silent corruption on two; with them a"
            " clean fallback"
        ),
        "RFC 8684, sections 3.3.1 and 3.7",
    ),
    (
        "segments_split",
        "splits segments",
        (
            "none, unless the option goes to the second piece: then plain TCP, and in bulk bytes "
            "are delivered twice"
        ),
        "RFC 8684, section 3.3",
    ),
    (
        "segments_coalesced",
        "merges segments",
        "plain TCP, and in bulk bytes are delivered twice; with two subflows that one is reset",
        "RFC 8684, section 3.3",
    ),
    (
        "sequence_numbers_rewritten",
        "adds a constant to sequence numbers",
        "none: a mapping counts from the subflow's initial sequence number",
        "RFC 8684, section 3.3.1",
    ),
    (
        "acked_by_middlebox",
        "acknowledges data before the receiver has it",
        "none: data counts as delivered only by its Data ACK",
        "RFC 8684, section 3.3.2",
    ),
    (
        "retransmission_altered",
        "answers a retransmission with other bytes than were sent again",
        "not measured",
        "RFC 9293, section 3.8",
    ),
    (
        "hole_blocked",
        "holds data back that follows a hole in the sequence numbers",
        "slower: a loss before the box costs its sender a time-out",
        "RFC 8684, section 3.3",
    ),
    (
        "ack_hole_altered",
        "drops or corrects an ACK for data that it has not seen",
        "not measured",
        "RFC 8684, section 3.3",
    ),
)

_CONNECTION: Final = _rows(
    Group.CONNECTION,
    (
        "connection_proxied",
        "ends the connection in the middle and opens another one",
        "plain TCP",
        "RFC 8684, section 3.7",
    ),
    (
        "reset_injected",
        "sends a RST that neither end sent",
        "one subflow: the application hangs until close_timeout; two: unnoticed",
        "RFC 8684, section 3.6",
    ),
    (
        "path_blackholed",
        "stops forwarding in the middle of a connection",
        "two subflows: a stall of 2.7 s, counter SubflowStale, then fine",
        "RFC 8684, section 3.3.6",
    ),
)

_NOT_MPTCP = "none for Multipath TCP"

_TCP: Final = _rows(
    Group.TCP,
    ("mss_clamped", "lowers the maximum segment size", _NOT_MPTCP, "RFC 9293, section 3.7.1"),
    (
        "tcp_option_removed",
        "removes a TCP option other than MPTCP",
        _NOT_MPTCP,
        "RFC 9293, section 3.1",
    ),
    (
        "tcp_option_altered",
        "changes a TCP option other than MPTCP",
        _NOT_MPTCP,
        "RFC 9293, section 3.1",
    ),
    (
        "unknown_option_removed",
        "removes TCP options that it does not know",
        _NOT_MPTCP,
        "RFC 9293, section 3.1",
    ),
    (
        "unknown_option_echoed",
        "returns TCP options that it does not know",
        _NOT_MPTCP,
        "RFC 9293, section 3.1",
    ),
    (
        "unknown_option_dropped",
        "drops segments with TCP options that it does not know",
        _NOT_MPTCP,
        "RFC 9293, section 3.1",
    ),
    (
        "option_padding_sensitive",
        "treats segments by how their options are padded",
        _NOT_MPTCP,
        "RFC 9293, section 3.1",
    ),
    ("window_altered", "changes the receive window", _NOT_MPTCP, "RFC 9293, section 3.8.6"),
    ("window_scale_altered", "changes the window scale", _NOT_MPTCP, "RFC 7323, section 2"),
    ("timestamp_altered", "changes TCP timestamps", _NOT_MPTCP, "RFC 7323, section 3"),
    ("dscp_altered", "changes the DSCP", _NOT_MPTCP, "RFC 2474, section 3"),
    ("ecn_cleared", "clears ECN bits", _NOT_MPTCP, "RFC 3168, section 5"),
    ("ttl_altered", "sets the TTL anew", _NOT_MPTCP, "RFC 791, section 3.1"),
    ("ip_id_altered", "changes the IP identification", _NOT_MPTCP, "RFC 6864, section 4"),
    (
        "urgent_pointer_cleared",
        "clears the urgent pointer",
        _NOT_MPTCP,
        "RFC 9293, section 3.8.5",
    ),
    ("reserved_bits_cleared", "clears reserved header bits", _NOT_MPTCP, "RFC 9293, section 3.1"),
    (
        "checksum_invalid",
        "delivers segments with a wrong TCP checksum",
        _NOT_MPTCP,
        "RFC 9293, section 3.1",
    ),
)

BEHAVIOURS: Final[Mapping[str, Behaviour]] = {
    behaviour.id: behaviour for behaviour in (*_HANDSHAKE, *_SUBFLOWS, *_DATA, *_CONNECTION, *_TCP)
}
"""Every behaviour by its identifier, in the order of the catalogue."""
