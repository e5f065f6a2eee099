"""Every field that both know agrees with tshark's, packet by packet, on every capture here."""

import ipaddress
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import capture_files as cf
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
from mptcp_check.analysis.options.mptcp_values import (
    AddAddr,
    Dss,
    Mapping,
    MpCapable,
    MpFail,
    MpFastclose,
    MpPrio,
    MpTcprst,
    RemoveAddr,
)
from segments import ACK, CLIENT_6, RST, SERVER_6, Segment, Talk
from tshark_oracle import fields, numbers

GOLDEN = Path(__file__).parents[3] / "golden" / "captures"

V4 = ipaddress.ip_address("192.0.2.7")
V6 = ipaddress.ip_address("2001:db8::7")
EVERY_OPTION: tuple[tuple[tcp.TcpOption, ...], ...] = (
    (MpCapable(version=1, flags=0x01, sender_key=1, receiver_key=2, data_length_bytes=3),),
    (
        MpCapable(
            version=1, flags=0xA1, sender_key=1, receiver_key=2, data_length_bytes=3, checksum=4
        ),
    ),
    (Dss(flags=DssFlag.DATA_ACK, data_ack=0xFFFFFFFF),),
    (Dss(flags=DssFlag.DATA_ACK | DssFlag.DATA_ACK_64, data_ack=0xFFFFFFFFFFFFFFFF),),
    (Dss(flags=DssFlag.MAPPING, mapping=Mapping(dsn=5, ssn=6, data_length_bytes=7)),),
    (
        Dss(
            flags=0x0F,
            data_ack=1 << 63,
            mapping=Mapping(dsn=1 << 63, ssn=1, data_length_bytes=0, checksum=0xBEEF),
        ),
    ),
    (Dss(flags=0x10 | 0x0D, data_ack=9, mapping=Mapping(dsn=8, ssn=0, data_length_bytes=1)),),
    (AddAddr(flags=4, address_id=3, address=V4),),
    (AddAddr(flags=6, address_id=3, address=V6, port=4443),),
    (AddAddr(flags=0, address_id=3, address=V4, hmac=bytes(range(8))),),
    (AddAddr(flags=0, address_id=3, address=V4, port=4443, hmac=bytes(range(8))),),
    (AddAddr(flags=1, address_id=3, address=V4, port=4443),),
    (AddAddr(flags=1, address_id=3, address=V6),),
    (AddAddr(flags=0, address_id=3, address=V6, port=4443, hmac=bytes(range(8))),),
    (RemoveAddr(address_ids=(5,)), RemoveAddr(address_ids=(6,))),
    (MpPrio(flags=1),),
    (MpPrio(flags=0, address_id=9),),
    (MpFail(dsn=1 << 62),),
    (MpFastclose(receiver_key=0xFEDCBA9876543210),),
    (MpTcprst(flags=1, reason=6), MpTcprst(flags=0, reason=2)),
    (tcp.NoOperation(), tcp.Timestamps(value=1, echo=2), tcp.MaximumSegmentSize(mss_bytes=9)),
)


def version_0() -> bytes:
    """A connection of version 0 with a join; no kernel here speaks it."""
    talk = Talk(version=0, checksum=True)
    first = talk.capable(talk.subflow())
    talk.data(first, 0, b"hello")
    second = talk.join(talk.subflow(("10.0.1.1", 40001), isn=(70_000, 80_000)))
    talk.data(second, 1, b"world", fin=True)
    talk.data(first, 0, b"", fin=True)
    first.close()
    second.close()
    return cf.pcap([cf.ethernet(packet) for packet in talk.packets()])


def every_option() -> bytes:
    segments = [
        Segment(options=tcp.encode(options), flags=RST if "Tcprst" in repr(options) else ACK)
        for options in EVERY_OPTION
    ]
    frames = [cf.ethernet(segment.packet(), 0x88A8, 0x8100) for segment in segments]
    return cf.pcap(frames, nanoseconds=False, order=">")


def odd_packets() -> bytes:
    """IP options, fragments, extension headers, offloaded lengths."""
    v6 = Segment(source=CLIENT_6, destination=SERVER_6, payload=b"six", tos=0xB8)
    segments = [
        Segment(ip_options=bytes.fromhex("94040000"), payload=b"router alert"),
        Segment(fragment=0x2000, payload=bytes(8)),
        Segment(length=0, payload=b"offloaded"),
        v6,
        Segment(
            source=CLIENT_6,
            destination=SERVER_6,
            extensions=(
                (0, bytes.fromhex("00050200000100")),
                (60, bytes.fromhex("00010400000000")),
            ),
            payload=b"extended",
        ),
        Segment(flags=0xFFF, urgent=5, window=0, ttl=1, tos=3, ip_id=0xFFFF),
    ]
    return cf.pcap([cf.ethernet(segment.packet()) for segment in segments])


CAPTURES: dict[str, Callable[[], bytes]] = {
    "kernel, two paths": (GOLDEN / "kernel_v1.pcapng").read_bytes,
    "kernel, cooked, cut at 96 bytes": (GOLDEN / "kernel_v1_cooked.pcap").read_bytes,
    "version 0": version_0,
    "every option": every_option,
    "odd packets": odd_packets,
}

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
    "tcp.len",
)


@pytest.fixture(scope="module", params=CAPTURES)
def both(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Capture]:
    octets = CAPTURES[request.param]()
    path = tmp_path_factory.mktemp("oracle") / "capture"
    path.write_bytes(octets)
    return path, read(octets)


def test_the_headers_agree(both: tuple[Path, Capture]) -> None:
    path, capture = both
    packets = capture.packets
    theirs = fields(path, *HEADER)

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
        }
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


def test_the_options_agree(both: tuple[Path, Capture]) -> None:
    path, capture = both
    packets = capture.packets
    kinds = fields(
        path, "tcp.option_kind", "tcp.options.timestamp.tsval", "tcp.options.timestamp.tsecr"
    )

    for row, frame in enumerate(kinds):
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


def test_mptcp_signals_agree(both: tuple[Path, Capture]) -> None:
    path, capture = both
    packets = capture.packets
    names = [MPTCP + name for name in SIGNALS]
    extra = [MPTCP + name for name in ("subtype", "version", "sendhmac", "ipv4", "ipv6", "echo")]

    for row, frame in enumerate(fields(path, *names, *extra)):
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


def test_data_sequence_signals_agree(both: tuple[Path, Capture]) -> None:
    path, capture = both
    packets, dss = capture.packets, capture.packets.dss
    columns = {
        "rawdataack": (dss.data_ack, DssFlag.DATA_ACK),
        "rawdataseqno": (dss.dsn, DssFlag.MAPPING),
        "subflowseqno": (dss.ssn, DssFlag.MAPPING),
    }

    for row, frame in enumerate(
        fields(path, *(MPTCP + name for name in columns), MPTCP + "subtype")
    ):
        if not whole(packets, row) or "2" not in frame[MPTCP + "subtype"]:
            continue
        for name, (column, part) in columns.items():
            chosen = (dss.packet == row) & (dss.parts & part != 0)
            assert column[chosen].tolist() == numbers(frame[MPTCP + name]), name


def test_tshark_does_not_show_the_dss_checksum_but_we_do() -> None:
    """So this one is held against the segment itself."""
    dss = read(every_option()).packets.dss

    assert dss.checksum[dss.parts & CHECKSUM_READ != 0].tolist() == [0xBEEF]
