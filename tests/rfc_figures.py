"""Every option of RFC 8684 and RFC 6824 as it is drawn: its bytes, and what they mean."""

from ipaddress import IPv4Address, IPv6Address

from mptcp_check.analysis.capture.packets import DssFlag
from mptcp_check.analysis.options import mptcp_values as mptcp

FIGURES: list[tuple[str, mptcp.MptcpOption]] = [
    # RFC 8684, figure 4: MP_CAPABLE in its five lengths; the version 0 forms of RFC 6824.
    ("1e040181", mptcp.MpCapable(version=1, flags=0x81)),
    (
        "1e0c01010102030405060708",
        mptcp.MpCapable(version=1, flags=1, sender_key=0x0102030405060708),
    ),
    (
        "1e14010100000000000000010000000000000002",
        mptcp.MpCapable(version=1, flags=1, sender_key=1, receiver_key=2),
    ),
    (
        "1e160101000000000000000100000000000000020003",
        mptcp.MpCapable(version=1, flags=1, sender_key=1, receiver_key=2, data_length_bytes=3),
    ),
    (
        "1e1801810000000000000001000000000000000200030004",
        mptcp.MpCapable(
            version=1, flags=0x81, sender_key=1, receiver_key=2, data_length_bytes=3, checksum=4
        ),
    ),
    (
        "1e0c00810102030405060708",
        mptcp.MpCapable(version=0, flags=0x81, sender_key=0x0102030405060708),
    ),
    (
        "1e14000100000000000000010000000000000002",
        mptcp.MpCapable(version=0, flags=1, sender_key=1, receiver_key=2),
    ),
    # Figures 5, 6 and 7: MP_JOIN in SYN, SYN/ACK and third ACK.
    ("1e0c11020000000300000004", mptcp.MpJoinSyn(flags=1, address_id=2, token=3, nonce=4)),
    (
        "1e101002010203040506070800000005",
        mptcp.MpJoinSynAck(flags=0, address_id=2, hmac=bytes(range(1, 9)), nonce=5),
    ),
    ("1e181000" + bytes(range(20)).hex(), mptcp.MpJoinAck(hmac=bytes(range(20)))),
    # Figure 9: DSS with both widths, with and without a checksum, DATA_FIN, infinite mapping.
    ("1e042000", mptcp.Dss(flags=0)),
    ("1e08200100000007", mptcp.Dss(flags=DssFlag.DATA_ACK, data_ack=7)),
    ("1e0c20030000000000000007", mptcp.Dss(flags=3, data_ack=7)),
    (
        "1e0e20140000000100000000" + "0001",
        mptcp.Dss(
            flags=DssFlag.DATA_FIN | DssFlag.MAPPING,
            mapping=mptcp.Mapping(dsn=1, ssn=0, data_length_bytes=1),
        ),
    ),
    (
        "1e1c200f000000000000000700000000000000010000000200030004",
        mptcp.Dss(
            flags=0x0F,
            data_ack=7,
            mapping=mptcp.Mapping(dsn=1, ssn=2, data_length_bytes=3, checksum=4),
        ),
    ),
    (
        "1e122" + "00c" + "0000000000000009" + "00000002" + "0000",
        mptcp.Dss(flags=0x0C, mapping=mptcp.Mapping(dsn=9, ssn=2, data_length_bytes=0)),
    ),
    # Figure 11: MP_PRIO; version 0 may name an address.
    ("1e0351", mptcp.MpPrio(flags=1)),
    ("1e045007", mptcp.MpPrio(flags=0, address_id=7)),
    # Figure 12: ADD_ADDR, with port, HMAC, echo; version 0.
    (
        "1e103001c00002070001020304050607",
        mptcp.AddAddr(
            flags=0, address_id=1, address=IPv4Address("192.0.2.7"), hmac=bytes(range(8))
        ),
    ),
    ("1e083101c0000207", mptcp.AddAddr(flags=1, address_id=1, address=IPv4Address("192.0.2.7"))),
    (
        "1e0a3101c000020701bb",
        mptcp.AddAddr(flags=1, address_id=1, address=IPv4Address("192.0.2.7"), port=443),
    ),
    (
        "1e1e3001" + "20010db8000000000000000000000007" + "01bb" + "0001020304050607",
        mptcp.AddAddr(
            flags=0,
            address_id=1,
            address=IPv6Address("2001:db8::7"),
            port=443,
            hmac=bytes(range(8)),
        ),
    ),
    ("1e083401c0000207", mptcp.AddAddr(flags=4, address_id=1, address=IPv4Address("192.0.2.7"))),
    (
        "1e143601" + "20010db8000000000000000000000007",
        mptcp.AddAddr(flags=6, address_id=1, address=IPv6Address("2001:db8::7")),
    ),
    # Figure 13: REMOVE_ADDR.
    ("1e044005", mptcp.RemoveAddr(address_ids=(5,))),
    ("1e0640050607", mptcp.RemoveAddr(address_ids=(5, 6, 7))),
    # Figures 14, 15, 16: MP_FASTCLOSE, MP_TCPRST, MP_FAIL.
    ("1e0c70000102030405060708", mptcp.MpFastclose(receiver_key=0x0102030405060708)),
    ("1e048106", mptcp.MpTcprst(flags=1, reason=mptcp.ResetReason.MIDDLEBOX_INTERFERENCE)),
    ("1e0c60000102030405060708", mptcp.MpFail(dsn=0x0102030405060708)),
    # Section 8.2: for experiments; and a subtype that nobody has defined.
    ("1e06f0abcdef", mptcp.MpOther(subtype=0xF, flags=0, data=bytes.fromhex("abcdef"))),
    ("1e0393", mptcp.MpOther(subtype=0x9, flags=3, data=b"")),
]
