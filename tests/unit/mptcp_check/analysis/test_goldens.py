"""The stored pairs: today's rules give the stored verdicts, and tshark sees what they rest on."""

import functools
import json
import subprocess
from pathlib import Path

import pytest

from golden.diagnosed import CASES, CLEAN, capture_path, diagnosis_of, report_of, report_path
from mptcp_check.model import Direction, Evidence, Finding, Side, State

MP_CAPABLE, MP_JOIN = "0", "1"


@pytest.mark.parametrize("case", CASES)
def test_a_stored_pair_is_judged_as_before(case: str) -> None:
    assert report_of(case) == json.loads(report_path(case).read_text())


def test_nobody_is_accused_on_a_clean_path() -> None:
    assert diagnosis_of(CLEAN).causes == ()


@pytest.mark.parametrize("case", sorted(set(CASES) - {CLEAN}))
def test_a_behaviour_is_seen_alone(case: str) -> None:
    assert [finding.behaviour for finding in diagnosis_of(case).causes] == [case]


@pytest.mark.parametrize(
    ("case", "direction"),
    [
        ("mp_capable_removed_from_syn", Direction.C2S),
        ("mp_capable_removed_from_synack", Direction.S2C),
        ("mp_capable_syn_dropped", Direction.C2S),
        ("mp_join_removed", Direction.C2S),
        ("payload_altered", Direction.S2C),
        ("address_translated", Direction.BOTH),
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
    found = [f for f in diagnosis_of(case).findings if f.behaviour == case]
    assert [f.state for f in found] == [State.SEEN]
    return found[0]


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
