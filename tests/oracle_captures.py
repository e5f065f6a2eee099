"""Every capture that is held against the oracles: the golden ones, some that no kernel makes."""

import ipaddress
from collections.abc import Callable
from pathlib import Path

import capture_files as cf
from mptcp_check.analysis.capture.link_layers import RAW
from mptcp_check.analysis.capture.packets import DssFlag
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
from traced import two_paths

GOLDEN = Path(__file__).parent / "golden"

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
    (RemoveAddr(address_ids=(5,)), RemoveAddr(address_ids=(6, 7))),
    (MpPrio(flags=1),),
    (MpPrio(flags=0, address_id=9),),
    (MpFail(dsn=1 << 62),),
    (MpFastclose(receiver_key=0xFEDCBA9876543210),),
    (MpTcprst(flags=1, reason=6), MpTcprst(flags=0xE, reason=2)),
    (tcp.NoOperation(), tcp.Timestamps(value=1, echo=2), tcp.MaximumSegmentSize(mss_bytes=9)),
    (tcp.Sack(blocks=((1, 0xFFFFFFFF), (5, 6), (7, 8))), tcp.WindowScale(shift_count=3)),
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


def reinjected() -> bytes:
    """A retransmission and a reinjection, drawn in `traced.two_paths`."""
    traced = two_paths()
    times = [cf.START_NS + int(at * 1_000_000) for at in traced.times_ms]
    return cf.pcap(traced.talk.packets(), link_type=RAW, times_ns=times)


def golden() -> dict[str, Callable[[], bytes]]:
    """Return every golden capture by its path in the folder."""
    found = sorted(path for path in GOLDEN.rglob("*.pcap*") if path.is_file())
    return {str(path.relative_to(GOLDEN)): path.read_bytes for path in found}


CAPTURES: dict[str, Callable[[], bytes]] = {
    **golden(),
    "version 0": version_0,
    "every option": every_option,
    "odd packets": odd_packets,
    "reinjected": reinjected,
}
