"""Property: whatever the network may do on its own, and whatever a capture may miss, nobody is
accused on a path that changes nothing.
"""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mptcp_check.analysis.capture.capture_file import read
from mptcp_check.analysis.diagnose import diagnose
from pcap_frames import pcap_records, pcap_with
from traces import TWO_PATHS, Path, captures

LINES = [line.strip() for line in TWO_PATHS.splitlines() if line.strip()]


def accused(text: str, path: Path | None = None) -> list[str]:
    return [finding.because for finding in diagnose(*captures(text, path)).causes]


@settings(deadline=None)  # the first call compiles the kernels
@given(
    st.lists(st.booleans(), min_size=len(LINES), max_size=len(LINES)),
    st.lists(st.integers(1, 400), min_size=len(LINES), max_size=len(LINES)),
    st.integers(-(10**12), 10**12),
)
def test_loss_and_reordering_are_no_interference(
    lost: list[bool], delays_ms: list[int], offset_ns: int
) -> None:
    # a lost segment is sent again a second later, as TCP does, with a timestamp of its own
    lines = []
    for line, gone, delay_ms in zip(LINES, lost, delays_ms, strict=True):
        time_s, *words = line.split()
        lines.append(f"{line} => {'lost' if gone else f'delay={delay_ms}'}")
        if gone:
            lines.append(f"{float(time_s) + 1:.3f} {' '.join(words)} delay={delay_ms}")

    assert accused("\n".join(lines), Path(clock_offset_ns=offset_ns)) == []


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_what_a_capture_lost_was_not_lost_by_the_path(data: st.DataObject) -> None:
    captured = captures(TWO_PATHS)
    kept = []
    for capture in captured:
        records = pcap_records(bytes(capture.buffer))
        keep = data.draw(st.lists(st.booleans(), min_size=len(records), max_size=len(records)))
        kept.append(read(pcap_with([r for r, k in zip(records, keep, strict=True) if k])))

    assert diagnose(*kept).causes == ()


@settings(deadline=None)
@given(st.randoms(use_true_random=False), st.integers(40, 200))
def test_the_order_of_the_file_and_a_snap_length_are_no_interference(
    rng: random.Random, snap_bytes: int
) -> None:
    assert accused(TWO_PATHS, Path(shuffle=rng, snap_bytes=snap_bytes)) == []


@settings(max_examples=60, deadline=None)
@given(st.integers(40, 200), st.integers(40, 200))
def test_what_one_capture_cut_off_was_not_removed_by_the_path(here: int, there: int) -> None:
    kept = [
        read(pcap_with(pcap_records(bytes(capture.buffer)), snap_bytes=snap_bytes))
        for capture, snap_bytes in zip(captures(TWO_PATHS), (here, there), strict=True)
    ]

    assert diagnose(*kept).causes == ()


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(TWO_PATHS, id="two paths"),
        pytest.param("0.000 > SYN mpc\n0.020 < SYN/ACK\n0.040 > ACK", id="server without MPTCP"),
        pytest.param("0.000 > SYN mpc\n0.020 < RST", id="closed port"),
        pytest.param(
            TWO_PATHS.replace("0.1 < SYN/ACK join", "0.1 < RST"), id="a join that was refused"
        ),
        pytest.param(
            """0.000 > SYN mpc => lost
            1.000 > SYN
            1.020 < SYN/ACK
            1.040 > ACK""",
            id="one lost SYN, and a kernel that gives up after it",
        ),
        pytest.param(
            """0.000 > SYN mpc
            0.001 > SYN mpc
            0.020 < SYN/ACK mpc
            0.021 < SYN/ACK mpc
            0.040 > ACK mpc""",
            id="a duplicated SYN",
        ),
    ],
)
def test_what_ends_do_on_their_own_is_no_interference(text: str) -> None:
    assert accused(text) == []
