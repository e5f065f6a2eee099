"""The stored pairs: today's rules give the stored verdicts, and tshark sees what they rest on."""

import functools
import json
import subprocess
from pathlib import Path

import pytest

from golden.diagnosed import CASES, CLEAN, capture_path, diagnosis_of, report_of, report_path
from mptcp_check.analysis.capture.capture_file import read
from mptcp_check.analysis.diagnose import diagnose
from mptcp_check.lab.expectations import expectation
from mptcp_check.model import Confidence, Direction, Evidence, Finding, Side, State

MP_CAPABLE, MP_JOIN = "0", "1"


@pytest.mark.parametrize("case", CASES)
def test_a_stored_pair_is_judged_as_before(case: str) -> None:
    assert report_of(case) == json.loads(report_path(case).read_text())


def test_nobody_is_accused_on_a_clean_path() -> None:
    assert diagnosis_of(CLEAN).causes == ()


@pytest.mark.parametrize("case", sorted(set(CASES) - {CLEAN}))
def test_a_behaviour_is_seen_and_nothing_else_is(case: str) -> None:
    expected = expectation(case)
    named = {finding.behaviour for finding in diagnosis_of(case).causes}

    assert expected.names <= named <= expected.names | expected.also


@pytest.mark.parametrize("side", list(Side))
@pytest.mark.parametrize("case", CASES)
def test_one_capture_alone_confirms_nothing(case: str, side: Side) -> None:
    alone = diagnose(read(capture_path(case, side).read_bytes()), None)

    assert {cause.confidence for cause in alone.causes} <= {Confidence.ONE_SIDED}
    assert {cause.behaviour for cause in alone.causes} <= expectation(case).names


@pytest.mark.parametrize(
    ("case", "side", "others"),
    [
        (
            "mp_capable_removed_from_syn",
            Side.CLIENT,
            {"mp_capable_removed_from_synack", "a peer without MPTCP"},
        ),
        ("mp_capable_removed_from_syn", Side.SERVER, {"a peer without MPTCP"}),
    ],
)
def test_one_capture_names_what_it_cannot_tell_apart(
    case: str, side: Side, others: set[str]
) -> None:
    alone = diagnose(read(capture_path(case, side).read_bytes()), None)
    (because,) = {f.because for f in alone.findings if f.behaviour == case}

    assert because.startswith(f"cannot tell: {case}")
    assert all(other in because for other in others)


@pytest.mark.parametrize(
    ("case", "direction"),
    [
        ("mp_capable_removed_from_syn", Direction.C2S),
        ("mp_capable_removed_from_synack", Direction.S2C),
        ("mp_capable_syn_dropped", Direction.C2S),
        ("mp_join_removed", Direction.C2S),
        ("payload_altered", Direction.S2C),
        ("address_translated", Direction.BOTH),
        ("mp_capable_synack_dropped", Direction.S2C),
        ("mp_capable_syn_reset", Direction.S2C),
        ("mptcp_option_echoed", Direction.S2C),
        ("mp_capable_key_altered", Direction.S2C),
        ("mp_join_dropped", Direction.C2S),
        ("mp_join_reset", Direction.S2C),
        ("add_addr_removed", Direction.S2C),
        ("segments_split", Direction.BOTH),
        ("segments_coalesced", Direction.BOTH),
        ("sequence_numbers_rewritten", Direction.BOTH),
        ("hole_blocked", Direction.C2S),
        ("retransmission_altered", Direction.C2S),
        ("reset_injected", Direction.BOTH),
        ("path_blackholed", Direction.BOTH),
        ("mss_clamped", Direction.BOTH),
        ("tcp_option_altered", Direction.BOTH),
        ("window_altered", Direction.BOTH),
        ("window_scale_altered", Direction.BOTH),
        ("timestamp_altered", Direction.BOTH),
        ("dscp_altered", Direction.BOTH),
        ("ecn_cleared", Direction.BOTH),
        ("ttl_altered", Direction.BOTH),
        ("ip_id_altered", Direction.BOTH),
        ("checksum_invalid", Direction.BOTH),
    ],
)
def test_the_direction_is_the_one_that_was_played(case: str, direction: Direction) -> None:
    assert seen(case).direction is direction


@pytest.mark.parametrize(
    ("case", "subtype"),
    [
        ("mp_capable_removed_from_syn", MP_CAPABLE),
        ("mp_capable_removed_from_synack", MP_CAPABLE),
        ("mp_join_removed", MP_JOIN),
    ],
)
def test_tshark_sees_the_option_at_the_sender_and_not_at_the_receiver(
    case: str, subtype: str
) -> None:
    sent, received = seen(case).evidence

    assert tshark(case, sent, "tcp.options.mptcp.subtype") == subtype
    assert tshark(case, received, "tcp.options.mptcp.subtype") == ""
    assert tshark(case, sent, "tcp.seq_raw") == tshark(case, received, "tcp.seq_raw")


def test_tshark_sees_the_syns_in_vain_and_the_plain_one() -> None:
    case = "mp_capable_syn_dropped"
    *vain, plain, arrived = seen(case).evidence

    assert {tshark(case, e, "tcp.options.mptcp.subtype") for e in vain} == {MP_CAPABLE}
    assert tshark(case, plain, "tcp.options.mptcp.subtype") == ""
    assert {tshark(case, e, "tcp.flags.str")[-2] for e in (*vain, plain, arrived)} == {"S"}
    assert arrived.side is Side.SERVER
    assert count(case, Side.SERVER, "tcp.flags.syn == 1 && tcp.option_kind == 30") == 0


def test_tshark_sees_other_bytes_at_the_same_place() -> None:
    case = "payload_altered"
    finding = seen(case)
    sent, received = (bytes.fromhex(tshark(case, e, "tcp.payload")) for e in finding.evidence)
    offset = finding.measures["segment_offset"]

    assert len(sent) == len(received)
    assert next(i for i in range(len(sent)) if sent[i] != received[i]) == offset


def test_tshark_sees_another_source() -> None:
    case = "address_translated"
    sent, received = seen(case).evidence

    assert tshark(case, sent, "ip.src") != tshark(case, received, "ip.src")
    assert tshark(case, sent, "tcp.seq_raw") == tshark(case, received, "tcp.seq_raw")


def test_the_stored_captures_stay_small() -> None:
    sizes = [capture_path(case, side).stat().st_size for case in CASES for side in Side]

    assert max(sizes) < 60_000


def seen(case: str) -> Finding:
    (found,) = [
        f for f in diagnosis_of(case).findings if f.behaviour == case and f.state is State.SEEN
    ]
    return found


@functools.cache
def tshark(case: str, evidence: Evidence, field: str) -> str:
    """Return one field of one frame, as an independent dissector reads it."""
    return run(capture_path(case, evidence.side), f"frame.number == {evidence.frame}", field)


def count(case: str, side: Side, display_filter: str) -> int:
    return len(run(capture_path(case, side), display_filter, "frame.number").split())


def run(path: Path, display_filter: str, field: str) -> str:
    arguments = ["tshark", "-n", "-r", str(path), "-Y", display_filter, "-T", "fields", "-e", field]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    return done.stdout.strip()
