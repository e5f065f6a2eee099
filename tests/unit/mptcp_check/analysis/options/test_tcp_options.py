import struct

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import capture_files as cf
from mptcp_check.analysis.capture.capture_file import read
from mptcp_check.analysis.capture.link_layers import RAW
from mptcp_check.analysis.capture.packets import DssFlag, Note, OptionProblem, Subtype
from mptcp_check.analysis.options import mptcp_codec
from mptcp_check.analysis.options import mptcp_values as mptcp
from mptcp_check.analysis.options import tcp_options as tcp
from rfc_figures import FIGURES
from segments import Segment


@pytest.mark.parametrize(("octets", "value"), FIGURES)
def test_each_figure_of_the_rfcs_is_read_and_written(octets: str, value: mptcp.MptcpOption) -> None:
    raw = bytes.fromhex(octets)

    assert raw[1] == len(raw)
    assert tcp.decode(raw) == ((value,), ())
    assert mptcp_codec.encode(value) == raw


@pytest.mark.parametrize(
    ("octets", "value"),
    [
        ("020405b4", tcp.MaximumSegmentSize(mss_bytes=1460)),
        ("03030e", tcp.WindowScale(shift_count=14)),
        ("0402", tcp.SackPermitted()),
        ("050a0000000100000002", tcp.Sack(blocks=((1, 2),))),
        ("080affffffff00000000", tcp.Timestamps(value=0xFFFFFFFF, echo=0)),
        ("2202", tcp.FastOpen(cookie=b"")),
        ("2206deadbeef", tcp.FastOpen(cookie=bytes.fromhex("deadbeef"))),
        ("fd04f989", tcp.OtherOption(kind=253, data=bytes.fromhex("f989"))),
    ],
)
def test_the_other_options_of_tcp_are_read_and_written(octets: str, value: tcp.TcpOption) -> None:
    assert tcp.decode(bytes.fromhex(octets)) == ((value,), ())
    assert tcp.encode([value]).hex() == octets


def test_a_list_keeps_its_order_and_what_follows_its_end() -> None:
    raw = bytes.fromhex("0101" + "1e0351" + "1e0350" + "00" + "aabb")
    found, problems = tcp.decode(raw)

    assert found == (
        tcp.NoOperation(),
        tcp.NoOperation(),
        mptcp.MpPrio(flags=1),
        mptcp.MpPrio(flags=0),
        tcp.EndOfOptions(padding=b"\xaa\xbb"),
    )
    assert problems == ()


@pytest.mark.parametrize(
    ("octets", "offset"),
    [
        ("02", 0),
        ("0100", None),
        ("010200", 1),
        ("0101020a05b4", 2),
        ("1e02", 0),
        ("1e0e000000000000000000000000", 0),
        ("1e0401", 0),
        ("1e040000", 0),
        ("1e0d2001000000070000000000", 0),
        ("1e0d1001000000000000000000", 0),
        ("1e103401c00002070001020304050607", None),
        ("1e083601c0000207", 0),
        ("1e103101c00002070001020304050607", 0),
        ("1e083001c0000207", 0),
        ("1e0340", 0),
        ("1e055000", 0),
        ("1e0560000000", 0),
        ("1e0580000000", 0),
        ("0503ff", 0),
        ("0203ff", 0),
    ],
)
def test_what_the_rfcs_do_not_define_is_a_problem_with_its_offset(
    octets: str, offset: int | None
) -> None:
    raw = bytes.fromhex(octets)
    found, problems = tcp.decode(raw)

    assert [problem.offset for problem in problems][:1] == ([] if offset is None else [offset])
    assert tcp.encode(found) == raw


def test_values_that_contradict_themselves_are_not_written() -> None:
    with pytest.raises(ValueError, match="flag A"):
        mptcp_codec.encode(mptcp.Dss(flags=DssFlag.DATA_ACK))
    with pytest.raises(ValueError, match="flag M"):
        mptcp_codec.encode(
            mptcp.Dss(flags=0, mapping=mptcp.Mapping(dsn=0, ssn=0, data_length_bytes=0))
        )
    with pytest.raises(ValueError, match="follow each other"):
        mptcp_codec.encode(mptcp.MpCapable(version=1, flags=0, receiver_key=1))
    with pytest.raises(struct.error):
        tcp.encode([tcp.MaximumSegmentSize(mss_bytes=65536)])


def test_padding_fills_the_header_up_with_zeros() -> None:
    assert tcp.padded([tcp.WindowScale(shift_count=7)]) == bytes.fromhex("03030700")
    assert tcp.padded([]) == b""


ALMOST_OPTIONS = st.lists(
    st.binary(max_size=6)
    | st.builds(
        lambda kind, length, body: bytes([kind, length]) + body,
        st.sampled_from([30, 30, 30, 30, 2, 5, 8, 34]),
        st.sampled_from([3, 4, 8, 10, 12, 14, 16, 18, 20, 22, 24, 28, 30]) | st.integers(0, 255),
        st.binary(max_size=30),
    )
    | st.builds(
        lambda option, change: (
            option[: change[0] % len(option)]
            + bytes([change[1]])
            + option[change[0] % len(option) + 1 :]
        ),
        st.sampled_from([bytes.fromhex(octets) for octets, _ in FIGURES]),
        st.tuples(st.integers(0, 40), st.integers(0, 255)),
    )
    | st.sampled_from([bytes.fromhex(octets) for octets, _ in FIGURES]),
    max_size=4,
).map(lambda parts: b"".join(parts)[:40])


@given(ALMOST_OPTIONS | st.binary(max_size=40))
def test_any_bytes_are_decoded_and_give_themselves_back(raw: bytes) -> None:
    found, problems = tcp.decode(raw)

    assert tcp.encode(found) == raw
    assert sum(isinstance(o, tcp.MalformedOption) for o in found) == len(problems)


@given(ALMOST_OPTIONS)
@example(bytes.fromhex("1e0c20030000000000000007" + "1e0351" + "00"))
@example(bytes.fromhex("1e1801810000000000000001000000000000000200030004"))
def test_kernel_and_values_read_the_same_out_of_the_same_bytes(raw: bytes) -> None:
    raw += bytes(-len(raw) % 4)
    packets = read(cf.pcap([Segment(options=raw).packet()], link_type=RAW)).packets
    found, problems = tcp.decode(raw)
    undefined = [o for o in found if isinstance(o, mptcp.MpOther) and not o.experimental]
    good = [o for o in found if type(o) in _COLUMNS and o not in undefined]

    signals, dss = packets.signals, packets.dss
    rows: dict[int, dict[str, int]] = {}
    for table in (signals, dss):
        for row in np.flatnonzero(table.problem == OptionProblem.NONE):
            cells = {name: int(getattr(table, name)[row]) for name in table.__slots__}
            rows[cells["offset"]] = cells
    known = {at: rows[at] for at in sorted(rows)}
    assert len(known) == len(good)
    for option, cells in zip(good, known.values(), strict=True):
        wanted = _COLUMNS[type(option)](option)
        assert {name: cells[name] for name in wanted} == wanted
    malformed = bool(packets.notes[0] & Note.OPTIONS_MALFORMED)
    about_mptcp = [p for p in problems if raw[p.offset] == 30]
    lists = [p for p in problems if "bytes are left" in p.reason or "before its" in p.reason]
    assert malformed == bool(undefined or about_mptcp or lists)


def _hmac(octets: bytes) -> dict[str, int]:
    return {"hmac": int.from_bytes(octets[:8], "big")}


def _dss(option: mptcp.Dss) -> dict[str, int]:
    mapping = option.mapping or mptcp.Mapping(dsn=0, ssn=0, data_length_bytes=0)
    return {
        "flags": option.flags,
        "data_ack": option.data_ack or 0,
        "dsn": mapping.dsn,
        "ssn": mapping.ssn,
        "data_length": mapping.data_length_bytes,
        "checksum": mapping.checksum or 0,
    }


def _add_addr(option: mptcp.AddAddr) -> dict[str, int]:
    packed = option.address.packed
    mapped = packed if len(packed) == 16 else bytes(10) + b"\xff\xff" + packed
    return {
        "subtype": Subtype.ADD_ADDR,
        "address_id": option.address_id,
        "address_family": option.address.version,
        "address_high": int.from_bytes(mapped[:8], "big"),
        "address_low": int.from_bytes(mapped[8:], "big"),
        "port": option.port or 0,
        **_hmac(option.hmac or b""),
    }


_COLUMNS = {
    mptcp.MpCapable: lambda o: {
        "subtype": Subtype.MP_CAPABLE,
        "version": o.version,
        "flags": o.flags,
        "key": o.sender_key or 0,
        "peer_key": o.receiver_key or 0,
        "data_length": o.data_length_bytes or 0,
        "checksum": o.checksum or 0,
    },
    mptcp.MpJoinSyn: lambda o: {
        "subtype": Subtype.MP_JOIN,
        "flags": o.flags,
        "address_id": o.address_id,
        "token": o.token,
        "nonce": o.nonce,
    },
    mptcp.MpJoinSynAck: lambda o: {
        "flags": o.flags,
        "address_id": o.address_id,
        "nonce": o.nonce,
        **_hmac(o.hmac),
    },
    mptcp.MpJoinAck: lambda o: {"subtype": Subtype.MP_JOIN, **_hmac(o.hmac)},
    mptcp.Dss: _dss,
    mptcp.AddAddr: _add_addr,
    mptcp.RemoveAddr: lambda o: {
        "subtype": Subtype.REMOVE_ADDR,
        "address_id": o.address_ids[0],
        "length": 3 + len(o.address_ids),
    },
    mptcp.MpPrio: lambda o: {
        "subtype": Subtype.MP_PRIO,
        "flags": o.flags,
        "address_id": o.address_id or 0,
    },
    mptcp.MpFail: lambda o: {"subtype": Subtype.MP_FAIL, "dsn": o.dsn},
    mptcp.MpFastclose: lambda o: {"subtype": Subtype.MP_FASTCLOSE, "key": o.receiver_key},
    mptcp.MpOther: lambda o: {"subtype": o.subtype, "length": 3 + len(o.data)},
    mptcp.MpTcprst: lambda o: {
        "subtype": Subtype.MP_TCPRST,
        "flags": o.flags,
        "reason": o.reason,
    },
}
