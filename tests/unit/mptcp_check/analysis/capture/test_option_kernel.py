import pytest
from hypothesis import given
from hypothesis import strategies as st

import capture_files as cf
from mptcp_check.analysis.capture.capture_file import read
from mptcp_check.analysis.capture.link_layers import RAW
from mptcp_check.analysis.capture.packets import (
    CHECKSUM_READ,
    DssFlag,
    Note,
    OptionProblem,
    Packets,
    Present,
    Subtype,
)
from rfc_figures import FIGURES
from segments import Segment

HEADERS_BYTES = 40
"""IPv4 and TCP without options: where the option starts in the frame."""

COLUMNS = {
    Present.KEY: ("key",),
    Present.PEER_KEY: ("peer_key",),
    Present.TOKEN: ("token",),
    Present.NONCE: ("nonce",),
    Present.HMAC: ("hmac", "hmac_offset"),
    Present.DATA_LENGTH: ("data_length",),
    Present.CHECKSUM: ("checksum",),
    Present.ADDRESS_ID: ("address_id",),
    Present.ADDRESS: ("address_family", "address_high", "address_low"),
    Present.PORT: ("port",),
    Present.DSN: ("dsn",),
    Present.REASON: ("reason",),
}


def decoded(octets: bytes, *, captured: int | None = None) -> Packets:
    """Return the tables of one segment with these options, cut after some of their bytes.

    The frame ends the file: interpreted, a kernel that reads on finds nothing there.
    """
    segment = Segment(options=octets)
    snap_bytes = HEADERS_BYTES + (len(octets) if captured is None else captured)
    return read(cf.pcap([segment.packet()], link_type=RAW, snap_bytes=snap_bytes)).packets


@pytest.mark.parametrize("text", [text for text, _ in FIGURES])
def test_an_option_cut_anywhere_keeps_what_was_captured_of_it(text: str) -> None:
    octets = bytes.fromhex(text)
    whole = decoded(octets)

    for captured in range(1, len(octets)):
        cut = decoded(octets, captured=captured)
        assert cut.notes[0] & Note.HEADER_CUT
        assert not cut.notes[0] & Note.OPTIONS_MALFORMED or whole.notes[0] & Note.OPTIONS_MALFORMED
        assert len(cut.dss) + len(cut.signals) == 1
        if len(cut.dss):
            dss, full = cut.dss, whole.dss
            assert dss.problem.tolist() == [OptionProblem.CUT]
            for part, columns in (
                (DssFlag.DATA_ACK, ("data_ack",)),
                (DssFlag.MAPPING, ("dsn", "ssn", "data_length")),
                (CHECKSUM_READ, ("checksum",)),
            ):
                there = bool(dss.parts[0] & part)
                for name in columns:
                    value = int(getattr(dss, name)[0])
                    assert value == (int(getattr(full, name)[0]) if there else 0)
            continue
        signals, full_signals = cut.signals, whole.signals
        if captured < 3:
            assert signals.subtype.tolist() == [Subtype.NONE]
            assert signals.problem.tolist() == [OptionProblem.CUT]
            continue
        present = int(signals.present[0])
        assert present & ~int(full_signals.present[0]) == 0
        assert signals.subtype.tolist() == full_signals.subtype.tolist()
        for bit, names in COLUMNS.items():
            if present & bit:
                for name in names:
                    assert getattr(signals, name)[0] == getattr(full_signals, name)[0]


@pytest.mark.parametrize(
    ("text", "problem", "subtype"),
    [
        ("1e", OptionProblem.LENGTH, Subtype.NONE),
        ("1e00", OptionProblem.LENGTH, Subtype.NONE),
        ("1e01", OptionProblem.LENGTH, Subtype.NONE),
        ("1e020101", OptionProblem.LENGTH, Subtype.NONE),
        ("1e080181", OptionProblem.OVERRUN, Subtype.MP_CAPABLE),
        ("1e050181" + "00" * 4, OptionProblem.LENGTH, Subtype.MP_CAPABLE),
        ("1e040281", OptionProblem.VERSION, Subtype.MP_CAPABLE),
        ("1e041000", OptionProblem.LENGTH, Subtype.MP_JOIN),
        ("1e053001" + "00" * 4, OptionProblem.LENGTH, Subtype.ADD_ADDR),
        ("1e083601c0000207", OptionProblem.LENGTH, Subtype.ADD_ADDR),
        ("1e083001c0000207", OptionProblem.LENGTH, Subtype.ADD_ADDR),
        ("1e034001", OptionProblem.LENGTH, Subtype.REMOVE_ADDR),
        ("1e055000" + "00" * 4, OptionProblem.LENGTH, Subtype.MP_PRIO),
        ("1e046000", OptionProblem.LENGTH, Subtype.MP_FAIL),
        ("1e047000", OptionProblem.LENGTH, Subtype.MP_FASTCLOSE),
        ("1e038001", OptionProblem.LENGTH, Subtype.MP_TCPRST),
        ("1e039001", OptionProblem.SUBTYPE, 9),
    ],
)
def test_what_the_rfcs_do_not_define_is_kept_with_its_problem(
    text: str, problem: OptionProblem, subtype: int
) -> None:
    octets = bytes.fromhex(text)
    octets = b"\1" * (-len(octets) % 4) + octets  # at the end of the header, as the length says
    packets = decoded(octets)

    assert packets.signals.problem.tolist() == [problem]
    assert packets.signals.subtype.tolist() == [subtype]
    assert packets.notes[0] & Note.OPTIONS_MALFORMED


@pytest.mark.parametrize("text", ["1e032000", "1e0420050000", "1e0d2001000000070000000000000000"])
def test_a_dss_of_a_wrong_length_keeps_its_row(text: str) -> None:
    octets = bytes.fromhex(text)
    packets = decoded(octets + bytes(-len(octets) % 4))

    assert packets.dss.problem.tolist() == [OptionProblem.LENGTH]
    assert packets.notes[0] & Note.OPTIONS_MALFORMED


def test_only_the_first_timestamps_of_ten_bytes_count() -> None:
    first, second = bytes.fromhex("080a0000000100000002"), bytes.fromhex("080a0000000300000004")
    short = bytes.fromhex("08060000000909090909")[:6]
    packets = decoded(short + first + second + b"\1\1")

    assert (packets.ts_value.tolist(), packets.ts_echo.tolist()) == ([1], [2])
    assert decoded(short + b"\1\1").option_kinds.tolist() == [0b10]


@given(st.binary(max_size=40).map(lambda raw: raw + bytes(-len(raw) % 4)), st.integers(0, 40))
def test_any_options_cut_anywhere_are_decoded(raw: bytes, captured: int) -> None:
    packets = decoded(raw, captured=min(captured, len(raw)))

    end = int(packets.tcp_offset[0]) + 20 + int(packets.options_bytes[0])
    for table in (packets.dss, packets.signals):
        assert (table.offset < end).all()
    hmacs = packets.signals.hmac_offset[packets.signals.present & Present.HMAC != 0]
    assert (hmacs + 8 <= end).all()
