"""Every field that both know agrees with tshark's, packet by packet, on every capture here."""

import ipaddress

import numpy as np
import pytest

from mptcp_check.analysis.capture.capture_file import Capture, read
from mptcp_check.analysis.capture.packets import (
    CHECKSUM_READ,
    DssFlag,
    Note,
    Packets,
    Present,
    Subtype,
)
from mptcp_check.analysis.flows.endpoints import destination, source
from mptcp_check.analysis.options import tcp_options as tcp
from oracle_captures import CAPTURES, every_option
from tshark_oracle import ANALYSIS, DIFFERENT, LISTED, WIRE, Row, fields, known_fields, numbers

HEADER = (
    "frame.number",
    "frame.time_epoch",
    "frame.interface_id",
    "ip.src",
    "ip.dst",
    "ipv6.src",
    "ipv6.dst",
    "ip.ttl",
    "ipv6.hlim",
    "ip.dsfield",
    "ipv6.tclass",
    "ip.id",
    "tcp.srcport",
    "tcp.dstport",
    "tcp.seq_raw",
    "tcp.ack_raw",
    "tcp.flags",
    "tcp.window_size_value",
    "tcp.checksum",
    "tcp.urgent_pointer",
    "tcp.hdr_len",
    "tcp.len",
)


Both = tuple[list[Row], Capture]


@pytest.fixture(scope="module", params=CAPTURES)
def both(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Both:
    """Return tshark's view, asked for once with all fields, and ours."""
    octets = CAPTURES[request.param]()
    path = tmp_path_factory.mktemp("oracle") / "capture"
    path.write_bytes(octets)
    return fields(path, *dict.fromkeys((*HEADER, *WIRE))), read(octets)


def test_the_headers_agree(both: Both) -> None:
    theirs, capture = both
    packets = capture.packets

    assert len(theirs) == len(packets) > 0
    for row, frame in enumerate(theirs):
        four = packets.family[row] == 4
        seconds, fraction = frame["frame.time_epoch"][0].split(".")
        assert [int(packets.frame[row])] == numbers(frame["frame.number"])
        assert int(packets.time_ns[row]) == int(seconds) * 10**9 + int(fraction.ljust(9, "0"))
        assert [int(packets.interface[row])] == (numbers(frame["frame.interface_id"]) or [0])
        names = ("ip.src", "ip.dst") if four else ("ipv6.src", "ipv6.dst")
        assert [source(packets, row).address] == frame[names[0]]
        assert [destination(packets, row).address] == frame[names[1]]
        columns = {
            "ip.ttl" if four else "ipv6.hlim": packets.ttl,
            "ip.dsfield" if four else "ipv6.tclass": packets.tos,
            "tcp.srcport": packets.src_port,
            "tcp.dstport": packets.dst_port,
            "tcp.seq_raw": packets.seq,
            "tcp.ack_raw": packets.ack,
            "tcp.flags": packets.flags,
            "tcp.window_size_value": packets.window,
            "tcp.checksum": packets.checksum,
            "tcp.hdr_len": packets.options_bytes + 20,
        }
        if packets.notes[row] & Note.HEADER_CUT:
            columns.pop("tcp.hdr_len")
        if not packets.notes[row] & Note.FRAGMENT:  # tshark shows no length of a fragment
            columns["tcp.len"] = packets.payload_bytes
        if four:
            columns["ip.id"] = packets.ip_id
        ours = {name: [int(column[row])] for name, column in columns.items()}
        assert ours == {name: numbers(frame[name]) for name in columns}
        assert [int(packets.urgent[row])] == numbers(frame["tcp.urgent_pointer"] or ["0"])


def whole(packets: Packets, row: int) -> bool:
    """tshark shows nothing of an option that is cut: those are not compared."""
    return not packets.notes[row] & Note.HEADER_CUT


def test_every_field_of_multipath_tcp_and_of_the_analysis_is_compared_or_has_a_reason() -> None:
    named = {name for name in known_fields() if name.startswith(LISTED)}
    tables = [*WIRE, *ANALYSIS, *DIFFERENT]

    assert len(tables) == len(set(tables))
    assert named <= set(tables)


def in_words(cells: list[str]) -> list[int | str]:
    """Return numbers as numbers, addresses and bytes as text."""
    words: list[int | str] = []
    for cell in cells:
        try:
            words.append(int(cell, 0))
        except ValueError:
            words.append(cell.replace(":", "") if len(cell) == 59 else cell)
    return words


def test_every_field_of_every_option_agrees(both: Both) -> None:
    theirs, capture = both
    packets = capture.packets
    compared = 0

    for row, frame in enumerate(theirs):
        if not whole(packets, row):
            continue
        options, problems = tcp.decode(packets.option_bytes(row))
        assert not problems
        for name, told in WIRE.items():
            ours = [value for option in options for value in told(option)]
            cells = frame[name]
            if name.endswith("sendhmac"):
                assert ours == [cell.replace(":", "") for cell in cells]
            else:
                assert ours == in_words(cells), (row, name)
            compared += len(ours)
    assert compared > 0 or not packets.option_kinds.any()


def test_the_options_agree(both: Both) -> None:
    theirs, capture = both
    packets = capture.packets

    for row, frame in enumerate(theirs):
        if not whole(packets, row):
            continue
        expected = 0
        for kind in numbers(frame["tcp.option_kind"]):
            expected |= 1 << min(kind, 31)
        assert int(packets.option_kinds[row]) == expected
        if frame["tcp.options.timestamp.tsval"]:
            assert [int(packets.ts_value[row])] == numbers(frame["tcp.options.timestamp.tsval"])
            assert [int(packets.ts_echo[row])] == numbers(frame["tcp.options.timestamp.tsecr"])


MPTCP = "tcp.options.mptcp."
SIGNALS = {
    "sendkey": (("key", Present.KEY, Subtype.MP_CAPABLE),),
    "recvkey": (
        ("peer_key", Present.PEER_KEY, Subtype.MP_CAPABLE),
        ("key", Present.KEY, Subtype.MP_FASTCLOSE),
    ),
    "recvtok": (("token", Present.TOKEN, Subtype.MP_JOIN),),
    "sendrand": (("nonce", Present.NONCE, Subtype.MP_JOIN),),
    "port": (("port", Present.PORT, Subtype.ADD_ADDR),),
    "rst_reason": (("reason", Present.REASON, Subtype.MP_TCPRST),),
    "sendtrunchmac": (("hmac", Present.HMAC, Subtype.MP_JOIN),),
    "addaddrtrunchmac": (("hmac", Present.HMAC, Subtype.ADD_ADDR),),
}
"""tshark's field, and where ours is: column, its bit, subtype."""


def in_packet(packets: Packets, row: int, column: str, bit: Present, subtype: Subtype) -> list[int]:
    table = packets.signals
    chosen = (table.packet == row) & (table.present & bit != 0) & (table.subtype == subtype)
    if bit is Present.HMAC:  # the 20 bytes of a third ACK are compared as bytes
        chosen &= table.present & Present.HMAC_160 == 0
    return [int(number) for number in getattr(table, column)[chosen]]


def test_mptcp_signals_agree(both: Both) -> None:
    theirs, capture = both
    packets = capture.packets

    for row, frame in enumerate(theirs):
        if not whole(packets, row):
            continue
        table = packets.signals
        mine = table.packet == row
        subtypes = [*table.subtype[mine].tolist()]
        subtypes += [Subtype.DSS] * int((packets.dss.packet == row).sum())
        assert sorted(subtypes) == sorted(numbers(frame[MPTCP + "subtype"]))
        for name, places in SIGNALS.items():
            ours = [number for place in places for number in in_packet(packets, row, *place)]
            assert ours == numbers(frame[MPTCP + name]), name
        capable = mine & (table.subtype == Subtype.MP_CAPABLE)
        assert table.version[capable].tolist() == numbers(frame[MPTCP + "version"])
        long = np.flatnonzero(mine & (table.present & Present.HMAC_160 != 0))
        texts = [
            capture.buffer[table.hmac_offset[at] : table.hmac_offset[at] + 20].tobytes().hex()
            for at in long
        ]
        assert texts == [cell.replace(":", "") for cell in frame[MPTCP + "sendhmac"]]
        for at in np.flatnonzero(mine & (table.present & Present.ADDRESS != 0)):
            low, high = int(table.address_low[at]), int(table.address_high[at])
            if table.address_family[at] == 4:
                text, cells = str(ipaddress.IPv4Address(low & 0xFFFFFFFF)), frame[MPTCP + "ipv4"]
            else:
                text, cells = str(ipaddress.IPv6Address(high << 64 | low)), frame[MPTCP + "ipv6"]
            assert [text] == cells
        echoes = mine & (table.subtype == Subtype.ADD_ADDR) & (table.flags & 1 == 1)
        assert int(echoes.sum()) == sum(numbers(frame[MPTCP + "echo"]))


def test_data_sequence_signals_agree(both: Both) -> None:
    theirs, capture = both
    packets, dss = capture.packets, capture.packets.dss
    columns = {
        "rawdataack": (dss.data_ack, DssFlag.DATA_ACK),
        "rawdataseqno": (dss.dsn, DssFlag.MAPPING),
        "subflowseqno": (dss.ssn, DssFlag.MAPPING),
    }

    for row, frame in enumerate(theirs):
        if not whole(packets, row) or "2" not in frame[MPTCP + "subtype"]:
            continue
        for name, (column, part) in columns.items():
            chosen = (dss.packet == row) & (dss.parts & part != 0)
            assert column[chosen].tolist() == numbers(frame[MPTCP + name]), name


def test_tshark_does_not_show_the_dss_checksum_but_we_do() -> None:
    """So this one is held against the segment itself."""
    dss = read(every_option()).packets.dss

    assert dss.checksum[dss.parts & CHECKSUM_READ != 0].tolist() == [0xBEEF]
