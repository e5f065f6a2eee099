import pytest

from mptcp_check.analysis.capture.capture_file import read
from mptcp_check.analysis.detectors.mp_capable_removed_from_syn import ID, detect
from mptcp_check.analysis.pairing.pair import pair
from mptcp_check.model import Confidence, Direction, Evidence, Side, State
from pcap_frames import pcap_records, pcap_with
from traces import Path, captures, finding, one_sided

REMOVED = """
    0.000 > SYN mpc       => -mpc nop=4
    0.020 < SYN/ACK
    0.040 > ACK
    0.041 > PSH data=100
    0.060 < PSH data=200
"""


def test_a_syn_that_lost_the_option_on_the_way_is_seen_at_both_ends() -> None:
    found = finding(detect, REMOVED)

    assert (found.behaviour, found.state, found.direction) == (ID, State.SEEN, Direction.C2S)
    assert found.confidence is Confidence.CONFIRMED
    assert found.evidence == (
        Evidence(side=Side.CLIENT, frame=1),
        Evidence(side=Side.SERVER, frame=1),
    )
    assert found.measures["option_bytes"] == found.measures["nop_bytes"] == 4
    assert "overwritten with NOPs" in found.because


@pytest.mark.parametrize(
    ("change", "words", "measure"),
    [
        pytest.param("-mpc", "deleted", ("nop_bytes", 0), id="deleted, the header is shorter"),
        pytest.param("-mpc nop=4", "NOPs", ("nop_bytes", 4), id="four NOPs in its place"),
        pytest.param("-mpc eol=4", "end-of-list", ("end_of_list_bytes", 4), id="list ended early"),
    ],
)
def test_how_it_was_removed_is_measured(change: str, words: str, measure: tuple[str, int]) -> None:
    found = finding(detect, REMOVED.replace("-mpc nop=4", change))

    assert found.state is State.SEEN
    assert words in found.because
    assert found.measures[measure[0]] == measure[1]


def test_it_is_found_behind_a_nat_that_rewrites_sequence_numbers_too() -> None:
    path = Path(seen_by_server={"0": ("198.51.100.7", 61_000)}, isn_shift={"0": (12_345, 1 << 31)})

    assert finding(detect, REMOVED, path).state is State.SEEN


def test_a_server_machine_that_opens_a_connection_is_its_client() -> None:
    found = finding(
        detect,
        """
        0.000 < SYN mpc => -mpc
        0.020 > SYN/ACK
        0.040 < ACK
        0.041 < PSH data=100
        """,
    )

    assert (found.state, found.direction) == (State.SEEN, Direction.C2S)
    assert [e.side for e in found.evidence] == [Side.SERVER, Side.CLIENT]
    assert "left the server" in found.because


@pytest.mark.parametrize(
    ("text", "state"),
    [
        pytest.param(
            "0.000 > SYN mpc\n0.020 < SYN/ACK mpc\n0.040 > ACK mpc",
            State.NOT_SEEN,
            id="mptcp works",
        ),
        pytest.param(
            "0.000 > SYN mpc\n0.020 < SYN/ACK\n0.040 > ACK", State.NOT_SEEN, id="server speaks tcp"
        ),
        pytest.param(
            "0.000 > SYN mpc\n0.020 < SYN/ACK mpc => -mpc\n0.040 > ACK",
            State.NOT_SEEN,
            id="removed from the answer only",
        ),
        pytest.param(
            """0.000 > SYN mpc => lost
            1.000 > SYN mpc => lost
            3.000 > SYN
            3.020 < SYN/ACK
            3.040 > ACK""",
            State.NOT_MEASURED,
            id="dropped, and the plain syn was plain when it left",
        ),
        pytest.param(
            """0.000 > SYN mpc => lost
            1.000 > SYN mpc
            1.020 < SYN/ACK mpc
            1.040 > ACK mpc""",
            State.NOT_SEEN,
            id="a lost syn and its retransmission",
        ),
        pytest.param(
            "0.000 > SYN\n0.020 < SYN/ACK\n0.040 > ACK", State.NOT_MEASURED, id="mptcp is off"
        ),
        pytest.param("0.000 > SYN mpc => lost", State.NOT_MEASURED, id="host is down"),
        pytest.param(
            "0.000 > PSH data=500 dss\n0.020 < ACK dss\n0.030 > PSH data=500 dss",
            State.NOT_MEASURED,
            id="the captures began late",
        ),
    ],
)
def test_nothing_else_is(text: str, state: State) -> None:
    assert finding(detect, text).state is state


def test_syns_that_nothing_tells_apart_are_matched_by_the_clocks() -> None:
    # no timestamps and one IP identification for all: RFC 6864 allows it
    found = finding(
        detect,
        """
        0.000 > SYN mpc nots id=7 => lost
        1.000 > SYN mpc nots id=7 => lost
        3.000 > SYN nots id=7
        3.020 < SYN/ACK nots
        3.040 > ACK nots
        3.041 > PSH data=100 nots
        """,
    )

    assert found.state is State.NOT_MEASURED


def test_syns_that_cannot_be_told_apart_accuse_nobody() -> None:
    # alike in every field, and without an answer the clocks are not known either
    found = finding(
        detect,
        """
        0.000 > SYN mpc nots id=7 => lost
        1.000 > SYN mpc nots id=7 => -mpc
        """,
    )

    assert found.state is State.NOT_MEASURED
    assert "cannot tell which" in found.because


def test_a_syn_that_may_be_a_proxys_own_accuses_nobody() -> None:
    found = finding(
        detect,
        """
        0.000 > SYN mpc => -mpc tsval=9
        0.020 < SYN/ACK
        0.040 > ACK
        0.041 > PSH data=900
        0.060 < PSH data=900
        """,
        Path(isn_shift={"0": (1_000, 2_000)}),
    )

    assert found.state is State.NOT_MEASURED
    assert "connection_proxied" in found.because


def test_options_that_only_the_receivers_capture_cut_are_not_taken_for_removed() -> None:
    client, server = captures(REMOVED.replace("=> -mpc nop=4", ""))
    cut = read(pcap_with([(t, f[:60]) for t, f in pcap_records(bytes(server.buffer))]))

    found = detect(pair(client, cut)[0])

    assert found.state is State.NOT_MEASURED
    assert "snap length" in found.because


def test_an_option_replaced_by_another_is_removed_too() -> None:
    found = finding(detect, REMOVED.replace("-mpc nop=4", "-mpc echo"))

    assert found.state is State.SEEN
    assert "replaced" in found.because


def test_options_cut_by_the_snap_length_are_not_taken_for_removed() -> None:
    found = finding(detect, REMOVED.replace("=> -mpc nop=4", ""), Path(snap_bytes=60))

    assert found.state is State.NOT_MEASURED


@pytest.mark.parametrize(
    ("answer", "state", "words"),
    [
        ("SYN/ACK mpc", State.NOT_SEEN, "the SYN arrived with it"),
        ("SYN/ACK", State.NOT_MEASURED, "cannot tell"),
        ("SYN/ACK => lost", State.NOT_MEASURED, "no SYN/ACK"),
    ],
)
def test_one_capture_says_only_what_it_can(answer: str, state: State, words: str) -> None:
    found = one_sided(detect, f"0.000 > SYN mpc\n0.020 < {answer}")

    assert (found.state, found.confidence) == (state, Confidence.ONE_SIDED)
    assert words in found.because


@pytest.mark.parametrize(
    ("syn", "state"), [("SYN mpc", State.NOT_SEEN), ("SYN", State.NOT_MEASURED)]
)
def test_the_listeners_capture_alone_shows_how_the_syn_arrived(syn: str, state: State) -> None:
    # the wait for the third ACK is long, the one for the SYN/ACK is not: this end answered
    found = one_sided(detect, f"0.000 < {syn}\n0.011 > SYN/ACK\n0.050 < ACK")

    assert found.state is state
