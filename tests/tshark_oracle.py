"""tshark's view of a capture, field by field, to hold ours against.

`WIRE` says which of our values each field of an option is; `DIFFERENT` why a field of tshark's
Multipath TCP and of its analysis is not ours.  Both together name every such field: a test says so.
"""

import functools
import subprocess
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from mptcp_check.analysis.capture.packets import DssFlag
from mptcp_check.analysis.options import mptcp_values as mptcp
from mptcp_check.analysis.options import tcp_options as tcp

PREFERENCES = (
    "ip.defragment:FALSE",
    "ipv6.defragment:FALSE",
    "tcp.desegment_tcp_streams:FALSE",
)
BYTES_ONLY = ("tcp.analyze_sequence_numbers:FALSE", "mptcp.analyze_mptcp:FALSE")
ANALYSED = (
    "mptcp.analyze_mappings:TRUE",
    "mptcp.intersubflows_retransmission:TRUE",
    "tcp.relative_sequence_numbers:TRUE",
)

Row = dict[str, list[str]]


def fields(path: Path, *names: str, preferences: Iterable[str] = BYTES_ONLY) -> list[Row]:
    """Return for each TCP frame the values of each field, in the order of the packet."""
    command = ["tshark", "-n", "-r", str(path), "-Y", "tcp", "-T", "fields"]
    for preference in (*PREFERENCES, *preferences):
        command += ["-o", preference]
    # Not a comma: some fields have it in their values.
    command += ["-E", "separator=/t", "-E", "aggregator=|", "-E", "occurrence=a"]
    for name in names:
        command += ["-e", name]
    done = subprocess.run(command, capture_output=True, check=True, text=True)
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    return [
        {name: cell.split("|") if cell else [] for name, cell in zip(names, row, strict=True)}
        for row in rows
    ]


def numbers(cells: list[str]) -> list[int]:
    return [int(cell, 0) for cell in cells]


def in_order(octets: bytes, path: Path, ordered: Path) -> Path:
    """Write a capture's frames in the order of time."""
    path.write_bytes(octets)
    subprocess.run(["reordercap", str(path), str(ordered)], check=True, capture_output=True)
    return ordered


@functools.cache
def known_fields() -> frozenset[str]:
    """Return the names of all fields that this tshark knows."""
    done = subprocess.run(["tshark", "-G", "fields"], capture_output=True, check=True, text=True)
    lines = (line.split("\t") for line in done.stdout.splitlines())
    return frozenset(line[2] for line in lines if line[0] == "F")


Told = Callable[[Any], list[int | str]]
M: Final = "tcp.options.mptcp."


def of(*kinds: type, told: Told) -> Told:
    """Tell something of options of some kinds, nothing of others."""
    return lambda option: told(option) if isinstance(option, kinds) else []


def known(attribute: str) -> Told:
    """Tell one number of an option, if it has it."""

    def told(option: Any) -> list[int | str]:  # noqa: ANN401 - any option
        value = getattr(option, attribute)
        return [] if value is None else [value]

    return told


def bit(mask: int) -> Told:
    """Tell one of an option's flags."""
    return lambda option: [int(option.flags & mask != 0)]


def mapped(attribute: str) -> Told:
    """Tell one number of a DSS option's mapping."""
    return lambda option: known(attribute)(option.mapping) if option.mapping else []


def told_by(*parts: Told) -> Told:
    """Tell what any of the parts tells."""
    return lambda option: [value for part in parts for value in part(option)]


def hmac_number(option: Any) -> list[int | str]:  # noqa: ANN401 - any option
    return [] if option.hmac is None else [int.from_bytes(option.hmac, "big")]


VERSION_1: Final = 1
JOINS: Final = (mptcp.MpJoinSyn, mptcp.MpJoinSynAck)
NAMED_BY_KIND: Final[Mapping[type, int]] = {
    tcp.NoOperation: 1,
    tcp.MaximumSegmentSize: 2,
    tcp.WindowScale: 3,
    tcp.SackPermitted: 4,
    tcp.Sack: 5,
    tcp.Timestamps: 8,
    tcp.FastOpen: 34,
}


def kind(option: tcp.TcpOption) -> list[int | str]:
    if isinstance(option, tcp.OtherOption):
        return [option.kind]
    if isinstance(option, tcp.EndOfOptions):  # tshark takes each byte of padding for another one
        return [0, *option.padding]
    return [NAMED_BY_KIND.get(type(option), 30)]


def subtype(option: tcp.TcpOption) -> list[int | str]:
    return [tcp.encode([option])[2] >> 4] if kind(option) == [30] else []


def raw_flags(option: Any) -> list[int | str]:  # noqa: ANN401 - any option
    """Tell the byte that tshark calls flags: of some options with the subtype above them."""
    if isinstance(option, mptcp.MpCapable | mptcp.Dss):
        return [option.flags]
    return [tcp.encode([option])[2]]


WIRE: Final[Mapping[str, Told]] = {
    "tcp.option_kind": kind,
    "tcp.options.mss_val": of(tcp.MaximumSegmentSize, told=known("mss_bytes")),
    "tcp.options.wscale.shift": of(tcp.WindowScale, told=known("shift_count")),
    "tcp.options.timestamp.tsval": of(tcp.Timestamps, told=known("value")),
    "tcp.options.timestamp.tsecr": of(tcp.Timestamps, told=known("echo")),
    "tcp.options.sack_le": of(tcp.Sack, told=lambda o: [left for left, _ in o.blocks]),
    "tcp.options.sack_re": of(tcp.Sack, told=lambda o: [right for _, right in o.blocks]),
    "tcp.options.sack.count": of(tcp.Sack, told=lambda o: [len(o.blocks)]),
    M + "subtype": subtype,
    M + "version": of(mptcp.MpCapable, told=known("version")),
    M + "flags": of(
        mptcp.MpCapable, mptcp.Dss, mptcp.MpPrio, mptcp.MpTcprst, *JOINS, told=raw_flags
    ),
    M + "reserved": of(mptcp.MpFail, mptcp.MpFastclose, mptcp.MpJoinAck, told=known("reserved")),
    M + "backup.flag": of(mptcp.MpPrio, *JOINS, told=bit(1)),
    M + "checksumreq.flags": of(mptcp.MpCapable, told=bit(mptcp.CapableFlag.CHECKSUM_REQUIRED)),
    M + "extensibility.flag": of(mptcp.MpCapable, told=bit(mptcp.CapableFlag.EXTENSIBILITY)),
    M + "nomoresubflows.flag": of(
        mptcp.MpCapable,
        told=lambda o: bit(mptcp.CapableFlag.NO_MORE_SUBFLOWS)(o) if o.version else [],
    ),
    M + "sha1.flag": of(mptcp.MpCapable, told=lambda o: [] if o.version else bit(1)(o)),
    M + "sha256.flag": of(mptcp.MpCapable, told=lambda o: bit(1)(o) if o.version else []),
    M + "datafin.flag": of(mptcp.Dss, told=bit(DssFlag.DATA_FIN)),
    M + "dseqn8.flag": of(mptcp.Dss, told=bit(DssFlag.DSN_64)),
    M + "dseqnpresent.flag": of(mptcp.Dss, told=bit(DssFlag.MAPPING)),
    M + "dataack8.flag": of(mptcp.Dss, told=bit(DssFlag.DATA_ACK_64)),
    M + "dataackpresent.flag": of(mptcp.Dss, told=bit(DssFlag.DATA_ACK)),
    M + "flag_U.flag": of(mptcp.MpTcprst, told=bit(8)),
    M + "flag_V.flag": of(mptcp.MpTcprst, told=bit(4)),
    M + "flag_W.flag": of(mptcp.MpTcprst, told=bit(2)),
    M + "flag_T.flag": of(mptcp.MpTcprst, told=bit(1)),
    M + "rst_reason": of(mptcp.MpTcprst, told=known("reason")),
    M + "addrid": told_by(
        of(mptcp.AddAddr, mptcp.MpPrio, *JOINS, told=known("address_id")),
        of(mptcp.RemoveAddr, told=lambda o: list(o.address_ids)),
    ),
    M + "sendkey": of(mptcp.MpCapable, told=known("sender_key")),
    M + "recvkey": of(mptcp.MpCapable, mptcp.MpFastclose, told=known("receiver_key")),
    M + "recvtok": of(mptcp.MpJoinSyn, told=known("token")),
    M + "sendrand": of(*JOINS, told=known("nonce")),
    M + "sendtrunchmac": of(mptcp.MpJoinSynAck, told=hmac_number),
    M + "sendhmac": of(mptcp.MpJoinAck, told=lambda o: [o.hmac.hex()]),
    M + "addaddrtrunchmac": of(mptcp.AddAddr, told=hmac_number),
    M + "rawdataack": of(mptcp.Dss, told=known("data_ack")),
    M + "rawdataseqno": told_by(
        of(mptcp.Dss, told=mapped("dsn")), of(mptcp.MpFail, told=known("dsn"))
    ),
    M + "subflowseqno": of(mptcp.Dss, told=mapped("ssn")),
    M + "datalvllen": told_by(
        of(mptcp.Dss, told=mapped("data_length_bytes")),
        of(mptcp.MpCapable, told=known("data_length_bytes")),
    ),
    M + "checksum": of(mptcp.MpCapable, told=known("checksum")),
    M + "ipver": of(mptcp.AddAddr, told=lambda o: [o.flags] if o.flags > VERSION_1 else []),
    M + "echo": of(mptcp.AddAddr, told=lambda o: [] if o.flags > VERSION_1 else bit(1)(o)),
    M + "ipv4": of(
        mptcp.AddAddr, told=lambda o: [str(o.address)] if o.address.version == 4 else []
    ),
    M + "ipv6": of(
        mptcp.AddAddr, told=lambda o: [str(o.address)] if o.address.version == 6 else []
    ),
    M + "port": of(mptcp.AddAddr, told=known("port")),
    "mptcp.rm_addr.count": of(mptcp.RemoveAddr, told=lambda o: [len(o.address_ids)]),
}
"""tshark's field, and what our decoder has in its place."""

ANALYSIS: Final = (
    "tcp.stream",
    "tcp.window_size",
    "tcp.analysis.retransmission",
    "tcp.analysis.fast_retransmission",
    "tcp.analysis.spurious_retransmission",
    "tcp.analysis.out_of_order",
    "tcp.analysis.lost_segment",
    "tcp.analysis.duplicate_ack",
    "tcp.analysis.zero_window",
    "tcp.analysis.ack_rtt",
    "tcp.analysis.acks_frame",
    "mptcp.stream",
    "mptcp.master",
    "mptcp.analysis.subflows",
    "mptcp.expected_token",
    "mptcp.expected_idsn",
    "mptcp.ack",
    "mptcp.dss.dsn",
    "mptcp.dsn",
    "mptcp.rawdsn64",
    "mptcp.reinjection_of",
    "mptcp.dss.infinite_mapping",
)
"""What tshark works out from several packets, and so do we: see `test_tshark_analysis_agrees`."""

DIFFERENT: Final[Mapping[str, str]] = {
    M + "reserved.flag": "bits that mean nothing: part of the flags, which are compared",
    "mptcp.analysis": "a heading without a value",
    "mptcp.related_mapping": "the frame itself, as Linux repeats the mapping on each segment",
    "mptcp.reinjected_in": "mptcp.reinjection_of, seen from the other end",
    "mptcp.connection.echoed_key_mismatch": "a warning: keys themselves are compared",
    "mptcp.connection.missing_algorithm": "a warning: the flags are compared",
    "mptcp.connection.unsupported_algorithm": "a warning, also of flag C: the flags are compared",
    "mptcp.dss.missing_mapping": "warns of pure ACKs, which need no mapping: nothing to agree with",
    "tcp.analysis": "a heading without a value",
    "tcp.analysis.flags": "a heading without a value",
    "tcp.analysis.duplicate_ack_num": "a running number: the frames are compared",
    "tcp.analysis.duplicate_ack_frame": "the frame before: the frames are compared",
    "tcp.analysis.bytes_in_flight": "from the segments that tshark still waits for: SACKed ones and"
    " those before a lost one are left out; ours is highest sent less highest acknowledged",
    "tcp.analysis.push_bytes_sent": "we do not count bytes since a PSH",
    "tcp.analysis.initial_rtt": "SYN to third ACK, both halves; ours is SYN to SYN/ACK",
    "tcp.analysis.rto": "time since the original; we count retransmissions and do not time them",
    "tcp.analysis.rto_frame": "as tcp.analysis.rto",
    "tcp.analysis.reused_ports": "a note: tcp.stream counts on, which is compared",
    "tcp.analysis.ack_lost_segment": "an ACK of what was not captured: ours is missed_bytes",
    "tcp.analysis.window_update": "we do not name pure ACKs that only change the window",
    "tcp.analysis.window_full": "stands on tshark's bytes_in_flight",
    "tcp.analysis.keep_alive": "a guess: one byte before the next; we count its bytes",
    "tcp.analysis.keep_alive_ack": "as keep_alive",
    "tcp.analysis.zero_window_probe": "a guess like keep_alive",
    "tcp.analysis.zero_window_probe_ack": "as zero_window_probe",
    "tcp.analysis.tfo_syn": "TCP Fast Open is shown as an option, not judged",
    "tcp.analysis.tfo_ack": "as tfo_syn",
    "tcp.analysis.tfo_ignored": "as tfo_syn",
}
"""Fields that are not compared, and why."""

LISTED: Final = ("tcp.options.mptcp.", "mptcp.", "tcp.analysis")
"""Fields with these beginnings stand in one of the tables."""
