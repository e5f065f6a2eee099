"""MPTCP options from bytes and back: the layouts of RFC 8684 (and 6824), a function for each.

A decoder gets the whole option, kind and length included; it returns a value, or text that says
what is wrong.  An encoder returns the whole option.  `option_kernel` has the same layouts for
columns; a test holds the two together.
"""

import struct
from collections.abc import Callable, Mapping
from ipaddress import IPv4Address, IPv6Address
from typing import Any, Final

from mptcp_check.analysis.capture.packets import KIND_MPTCP, DssFlag, Subtype
from mptcp_check.analysis.options import mptcp_values as values
from mptcp_check.analysis.options.mptcp_values import MptcpOption

IPV4_BYTES: Final = 4
IPV6_BYTES: Final = 16
HMAC_BYTES: Final = 8
PORT_BYTES: Final = 2


def decode(octets: bytes) -> MptcpOption | str:
    """Return the value of one kind-30 option, or what is wrong with it.

    Args:
        octets: The whole option; its length byte has been checked against the list.
    """
    if len(octets) < 3:  # noqa: PLR2004 - up to the subtype
        return f"an MPTCP option of {len(octets)} bytes has no subtype"
    subtype = octets[2] >> 4
    decoder = _DECODERS.get(subtype)
    if decoder is None:
        return values.MpOther(subtype=subtype, flags=octets[2] & 0x0F, data=octets[3:])
    return decoder(octets) or (
        f"{Subtype(subtype).name} has no form of {len(octets)} bytes with the bits "
        f"{octets[2:4].hex()}"
    )


def encode(option: MptcpOption) -> bytes:
    """Return an option's bytes.

    Raises:
        ValueError: A part that the option's own flags ask for is missing.
        struct.error: A number does not fit its field.
    """
    body: bytes = _ENCODERS[type(option)](option)
    return struct.pack(">BB", KIND_MPTCP, len(body) + 2) + body


def _decode_mp_capable(octets: bytes) -> values.MpCapable | None:
    version, length = octets[2] & 0x0F, len(octets)
    if length not in {0: (12, 20), 1: (4, 12, 20, 22, 24)}.get(version, ()):
        return None
    return values.MpCapable(
        version=version,
        flags=octets[3],
        sender_key=_number(octets[4:12]),
        receiver_key=_number(octets[12:20]),
        data_length_bytes=_number(octets[20:22]),
        checksum=_number(octets[22:24]),
    )


def _encode_mp_capable(option: values.MpCapable) -> bytes:
    body = struct.pack(">BB", Subtype.MP_CAPABLE << 4 | option.version, option.flags)
    parts = (
        (">Q", option.sender_key),
        (">Q", option.receiver_key),
        (">H", option.data_length_bytes),
        (">H", option.checksum),
    )
    present = [number is not None for _, number in parts]
    if present != sorted(present, reverse=True):
        raise ValueError("MP_CAPABLE's parts follow each other: none can be left out before a last")
    return body + b"".join(
        struct.pack(form, number) for form, number in parts if number is not None
    )


def _decode_mp_join(
    octets: bytes,
) -> values.MpJoinSyn | values.MpJoinSynAck | values.MpJoinAck | None:
    low = octets[2] & 0x0F
    if len(octets) == 12:  # noqa: PLR2004 - figure 5
        address_id, token, nonce = struct.unpack(">BII", octets[3:])
        return values.MpJoinSyn(flags=low, address_id=address_id, token=token, nonce=nonce)
    if len(octets) == 16:  # noqa: PLR2004 - figure 6
        address_id, hmac, nonce = struct.unpack(">B8sI", octets[3:])
        return values.MpJoinSynAck(flags=low, address_id=address_id, hmac=hmac, nonce=nonce)
    if len(octets) == 24:  # noqa: PLR2004 - figure 7
        return values.MpJoinAck(hmac=octets[4:], reserved=_low_12_bits(octets))
    return None


def _encode_mp_join_syn(option: values.MpJoinSyn) -> bytes:
    return struct.pack(
        ">BBII",
        Subtype.MP_JOIN << 4 | option.flags,
        option.address_id,
        option.token,
        option.nonce,
    )


def _encode_mp_join_synack(option: values.MpJoinSynAck) -> bytes:
    return struct.pack(
        ">BB8sI",
        Subtype.MP_JOIN << 4 | option.flags,
        option.address_id,
        option.hmac,
        option.nonce,
    )


def _encode_mp_join_ack(option: values.MpJoinAck) -> bytes:
    return struct.pack(">H20s", Subtype.MP_JOIN << 12 | option.reserved, option.hmac)


def _decode_dss(octets: bytes) -> values.Dss | None:
    if len(octets) < 4:  # noqa: PLR2004 - up to the flags
        return None
    flags, place = octets[3], 4
    ack_bytes = _width(flags, DssFlag.DATA_ACK, DssFlag.DATA_ACK_64)
    dsn_bytes = _width(flags, DssFlag.MAPPING, DssFlag.DSN_64)
    whole = place + ack_bytes + (dsn_bytes + 6 if dsn_bytes else 0)
    checksum_bytes = len(octets) - whole
    if checksum_bytes not in ((0, 2) if dsn_bytes else (0,)):
        return None
    data_ack = _number(octets[place : place + ack_bytes])
    mapping = None
    if dsn_bytes:
        place += ack_bytes
        dsn = int.from_bytes(octets[place : place + dsn_bytes], "big")
        ssn, data_length = struct.unpack_from(">IH", octets, place + dsn_bytes)
        mapping = values.Mapping(
            dsn=dsn,
            ssn=ssn,
            data_length_bytes=data_length,
            checksum=_number(octets[whole : whole + checksum_bytes]),
        )
    return values.Dss(flags=flags, data_ack=data_ack, mapping=mapping, reserved=octets[2] & 0x0F)


def _encode_dss(option: values.Dss) -> bytes:
    ack_bytes = _width(option.flags, DssFlag.DATA_ACK, DssFlag.DATA_ACK_64)
    dsn_bytes = _width(option.flags, DssFlag.MAPPING, DssFlag.DSN_64)
    if bool(ack_bytes) != (option.data_ack is not None):
        raise ValueError("a DSS has a Data ACK if and only if flag A is set")
    if bool(dsn_bytes) != (option.mapping is not None):
        raise ValueError("a DSS has a mapping if and only if flag M is set")
    body = struct.pack(">BB", Subtype.DSS << 4 | option.reserved, option.flags)
    if option.data_ack is not None:
        body += option.data_ack.to_bytes(ack_bytes, "big")
    if option.mapping is not None:
        mapping = option.mapping
        body += mapping.dsn.to_bytes(dsn_bytes, "big")
        body += struct.pack(">IH", mapping.ssn, mapping.data_length_bytes)
        if mapping.checksum is not None:
            body += struct.pack(">H", mapping.checksum)
    return body


def _decode_add_addr(octets: bytes) -> values.AddAddr | None:
    low, rest = octets[2] & 0x0F, len(octets) - 4
    for address_bytes in (IPV4_BYTES, IPV6_BYTES):
        if rest - address_bytes in (0, PORT_BYTES, HMAC_BYTES, PORT_BYTES + HMAC_BYTES):
            break
    else:
        return None
    extra = rest - address_bytes
    has_port, has_hmac = extra in (2, 10), extra in (8, 10)
    version_0 = low in (4, 6)
    if version_0 and (low == 4) != (address_bytes == IPV4_BYTES):  # noqa: PLR2004 - IPVer
        return None
    if not version_0 and (low & 1 == 1) == has_hmac:
        return None
    raw, tail = octets[4 : 4 + address_bytes], octets[4 + address_bytes :]
    return values.AddAddr(
        flags=low,
        address_id=octets[3],
        address=IPv4Address(raw) if address_bytes == IPV4_BYTES else IPv6Address(raw),
        port=_number(tail[:PORT_BYTES]) if has_port else None,
        hmac=tail[-HMAC_BYTES:] if has_hmac else None,
    )


def _encode_add_addr(option: values.AddAddr) -> bytes:
    body = struct.pack(">BB", Subtype.ADD_ADDR << 4 | option.flags, option.address_id)
    body += option.address.packed
    if option.port is not None:
        body += struct.pack(">H", option.port)
    return body + (option.hmac or b"")


def _decode_remove_addr(octets: bytes) -> values.RemoveAddr | None:
    if len(octets) < 4:  # noqa: PLR2004 - up to the first id
        return None
    return values.RemoveAddr(address_ids=tuple(octets[3:]), reserved=octets[2] & 0x0F)


def _encode_remove_addr(option: values.RemoveAddr) -> bytes:
    return bytes([Subtype.REMOVE_ADDR << 4 | option.reserved, *option.address_ids])


def _decode_mp_prio(octets: bytes) -> values.MpPrio | None:
    if len(octets) not in (3, 4):
        return None
    return values.MpPrio(flags=octets[2] & 0x0F, address_id=_number(octets[3:]))


def _encode_mp_prio(option: values.MpPrio) -> bytes:
    ids = [] if option.address_id is None else [option.address_id]
    return bytes([Subtype.MP_PRIO << 4 | option.flags, *ids])


def _decode_mp_fail(octets: bytes) -> values.MpFail | None:
    if len(octets) != 12:  # noqa: PLR2004 - figure 16
        return None
    return values.MpFail(dsn=int.from_bytes(octets[4:], "big"), reserved=_low_12_bits(octets))


def _encode_mp_fail(option: values.MpFail) -> bytes:
    return struct.pack(">HQ", Subtype.MP_FAIL << 12 | option.reserved, option.dsn)


def _decode_mp_fastclose(octets: bytes) -> values.MpFastclose | None:
    if len(octets) != 12:  # noqa: PLR2004 - figure 14
        return None
    return values.MpFastclose(
        receiver_key=int.from_bytes(octets[4:], "big"), reserved=_low_12_bits(octets)
    )


def _encode_mp_fastclose(option: values.MpFastclose) -> bytes:
    return struct.pack(">HQ", Subtype.MP_FASTCLOSE << 12 | option.reserved, option.receiver_key)


def _decode_mp_tcprst(octets: bytes) -> values.MpTcprst | None:
    if len(octets) != 4:  # noqa: PLR2004 - figure 15
        return None
    return values.MpTcprst(flags=octets[2] & 0x0F, reason=octets[3])


def _encode_mp_tcprst(option: values.MpTcprst) -> bytes:
    return bytes([Subtype.MP_TCPRST << 4 | option.flags, option.reason])


def _encode_mp_other(option: values.MpOther) -> bytes:
    return bytes([option.subtype << 4 | option.flags]) + option.data


def _width(flags: int, present: DssFlag, wide: DssFlag) -> int:
    """Return how many bytes a number of a DSS has: none, four or eight."""
    if not flags & present:
        return 0
    return 8 if flags & wide else 4


def _number(octets: bytes) -> int | None:
    return int.from_bytes(octets, "big") if octets else None


def _low_12_bits(octets: bytes) -> int:
    """Return the reserved bits between the subtype and byte 4."""
    return (octets[2] & 0x0F) << 8 | octets[3]


_DECODERS: Final[Mapping[int, Callable[[bytes], MptcpOption | None]]] = {
    Subtype.MP_CAPABLE: _decode_mp_capable,
    Subtype.MP_JOIN: _decode_mp_join,
    Subtype.DSS: _decode_dss,
    Subtype.ADD_ADDR: _decode_add_addr,
    Subtype.REMOVE_ADDR: _decode_remove_addr,
    Subtype.MP_PRIO: _decode_mp_prio,
    Subtype.MP_FAIL: _decode_mp_fail,
    Subtype.MP_FASTCLOSE: _decode_mp_fastclose,
    Subtype.MP_TCPRST: _decode_mp_tcprst,
}

_ENCODERS: Final[Mapping[type, Callable[[Any], bytes]]] = {
    values.MpCapable: _encode_mp_capable,
    values.MpJoinSyn: _encode_mp_join_syn,
    values.MpJoinSynAck: _encode_mp_join_synack,
    values.MpJoinAck: _encode_mp_join_ack,
    values.Dss: _encode_dss,
    values.AddAddr: _encode_add_addr,
    values.RemoveAddr: _encode_remove_addr,
    values.MpPrio: _encode_mp_prio,
    values.MpFail: _encode_mp_fail,
    values.MpFastclose: _encode_mp_fastclose,
    values.MpTcprst: _encode_mp_tcprst,
    values.MpOther: _encode_mp_other,
}
