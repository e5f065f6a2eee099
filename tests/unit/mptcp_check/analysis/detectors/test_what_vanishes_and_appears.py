"""Segments that a path drops by their kind, makes itself, or no longer forwards."""

import pytest

from mptcp_check.analysis.capture.capture_file import read
from mptcp_check.analysis.detectors import (
    acked_by_middlebox,
    ip_id_altered,
    long_options_dropped,
    mptcp_data_dropped,
    option_padding_sensitive,
    path_blackholed,
    reset_injected,
    unknown_option_dropped,
    unknown_option_echoed,
)
from mptcp_check.analysis.pairing.pair import pair
from mptcp_check.model import Confidence, Direction, State
from pcap_frames import pcap_records, pcap_with
from traces import HANDSHAKE, TWO_PATHS, Detector, finding, one_sided, pcaps

DATA_IN_VAIN = f"""{HANDSHAKE}
    0.050 > PSH data=100 mpc => lost
    0.250 > PSH data=100 at=0 mpc => lost
    0.700 > PSH data=100 at=0 mpc => lost
    1.500 > PSH data=100 at=0 mpc => lost
    1.600 < ACK dss ack=-100
    1.620 > ACK dss
"""
DEAD = f"""{TWO_PATHS[: TWO_PATHS.index("0.300")]}
    1.000 < PSH data=1000 dss => lost
    1.001 < PSH data=1000 dss => lost
    1.250 < PSH data=1000 at=2000 dss => lost
    1.700 < PSH data=1000 at=2000 dss => lost
    2.600 < PSH data=1000 at=2000 dss => lost
    4.400 < PSH data=1000 at=2000 dss => lost
    5.000 0.1 < PSH data=1000 dss
    5.020 0.1 > ACK dss
"""
ACKED_EARLY = f"""{HANDSHAKE}
    0.041 > PSH data=100 mpc
    0.060 < ACK dss
""" + "".join(
    f"""
    0.{10 + i}0 > PSH data=1000 dss
    0.{10 + i}1 < ACK ack={1000 * 0 + 1} injected
    0.{10 + i}9 < ACK dss"""
    for i in range(4)
)
RESET = TWO_PATHS.replace("0.300 > FIN", "0.290 > RST injected\n0.290 < RST injected\n0.300 > FIN")
UNKNOWN = """
    0.0 > SYN opt=253 => lost
    1.0 > SYN opt=253 => lost
    3.0 > SYN opt=253 => lost
    7.0 > SYN
    7.02 < SYN/ACK
"""
PADDED = """
    0.0 > SYN nobase nop=2 => lost
    1.0 > SYN nobase nop=2 => lost
    3.0 > SYN nobase nop=2 => lost
    7.0 > SYN nobase eol=2
    7.02 < SYN/ACK
"""
LONG = f"""{HANDSHAKE}
    0.050 > PSH data=100 dss big=8 => lost
    0.300 > PSH data=100 at=0 dss big=8 => lost
    0.700 > PSH data=100 at=0 dss big=8 => lost
    0.800 < ACK dss ack=-100
    0.820 > ACK dss
"""


def test_data_with_options_that_never_arrives_was_dropped() -> None:
    found = finding(mptcp_data_dropped.detect, DATA_IN_VAIN)

    assert (found.state, found.direction) == (State.SEEN, Direction.C2S)
    assert (found.measures["segments_lost"], found.confidence) == (4, Confidence.CONFIRMED)


def test_data_that_arrives_at_last_was_lost_by_chance() -> None:
    text = DATA_IN_VAIN.replace(
        "1.500 > PSH data=100 at=0 mpc => lost", "1.500 > PSH data=100 at=0 mpc"
    )

    assert finding(mptcp_data_dropped.detect, text).state is State.NOT_SEEN


def test_a_path_that_goes_silent_is_dead_though_the_other_one_lives() -> None:
    found = finding(path_blackholed.detect, DEAD)

    assert (found.state, found.direction, found.subflow) == (State.SEEN, Direction.S2C, 0)
    assert found.measures["segments_lost"] == 6
    assert found.measures["silence_ns"] == 3_400_000_000
    assert finding(mptcp_data_dropped.detect, DEAD).state is State.NOT_SEEN


@pytest.mark.parametrize(
    "last", ["4.400 < PSH data=1000 at=2000 dss", "1.250 < PSH data=1000 at=2000 dss"]
)
def test_a_path_on_which_anything_passes_later_is_alive(last: str) -> None:
    text = DEAD.replace(f"{last} => lost", last)
    if last.startswith("1.250"):
        text = text.partition("1.700")[0]

    assert finding(path_blackholed.detect, text).state is State.NOT_SEEN


def test_resets_that_neither_end_sent_were_injected() -> None:
    found = finding(reset_injected.detect, RESET)

    assert (found.state, found.direction) == (State.SEEN, Direction.BOTH)
    assert found.measures["resets"] == 2


@pytest.mark.parametrize(
    "line",
    ["0.290 > RST", "0.290 > RST => lost", "0.290 < RST"],
)
def test_a_reset_that_an_end_sent_accuses_nobody(line: str) -> None:
    text = TWO_PATHS.replace("0.300 > FIN", f"{line}\n0.300 > FIN")

    assert finding(reset_injected.detect, text).state is State.NOT_SEEN


def test_segments_with_an_unknown_option_that_never_arrive_were_dropped() -> None:
    found = finding(unknown_option_dropped.detect, UNKNOWN)

    assert (found.state, found.direction) == (State.SEEN, Direction.C2S)
    assert found.measures["segments_lost"] == 3


def test_an_unknown_option_that_comes_back_by_itself_is_an_echo() -> None:
    echoed = "0.0 > SYN opt=253\n0.02 < SYN/ACK => opt=253\n0.04 > ACK"

    found = finding(unknown_option_echoed.detect, echoed)

    assert (found.state, found.measures["option_kind"]) == (State.SEEN, 253)
    assert finding(unknown_option_echoed.detect, echoed.replace("=> opt", "opt")).state is (
        State.NOT_SEEN
    )


def test_syns_that_differ_in_padding_alone_and_fare_differently() -> None:
    found = finding(option_padding_sensitive.detect, PADDED)

    assert (found.state, found.measures["segments_lost"]) == (State.SEEN, 3)
    assert finding(option_padding_sensitive.detect, PADDED.replace(" => lost", "")).state is (
        State.NOT_SEEN
    )


def test_length_decides_where_shorter_segments_with_the_option_pass() -> None:
    found = finding(long_options_dropped.detect, LONG)

    assert found.state is State.SEEN
    assert found.measures["longest_passed_bytes"] < found.measures["shortest_lost_bytes"]


def test_what_a_capture_lost_is_not_blamed_on_its_length() -> None:
    """The receiver's capture lost the data before; so it may have lost what came after it."""
    before = f"""{HANDSHAKE}
    0.041 > PSH data=100 dss
    0.042 > PSH data=100 dss
    0.053 < ACK dss
    {LONG.split(HANDSHAKE)[1].replace("at=0", "at=200")}"""
    client, server = pcaps(before)
    lost_first = pcap_with([r for n, r in enumerate(pcap_records(server)) if n != 3])
    (whole,) = pair(read(client), read(server))
    (lossy,) = pair(read(client), read(lost_first))

    assert long_options_dropped.detect(whole).state is State.SEEN
    assert long_options_dropped.detect(lossy).state is State.NOT_SEEN


def test_acks_that_a_capture_lost_with_the_data_they_are_for_are_not_forged() -> None:
    """The server got them; the client's capture has neither them nor what they acknowledge."""
    answers = "".join(
        f"0.1{i}0 < PSH data=1000 dss\n0.1{i}5 > ACK dss id={100 + i}\n" for i in range(4)
    )
    later = HANDSHAKE.replace("0.0", "1.0").replace(">", "1 >").replace("<", "1 <")
    client, server = pcaps(f"{HANDSHAKE}{answers}{later}")
    kept = [r for n, r in enumerate(pcap_records(client)) if n < 3 or n >= 11]
    found, _ = pair(read(pcap_with(kept)), read(server))

    assert acked_by_middlebox.detect(found).state is not State.SEEN


def test_two_acks_of_which_each_capture_lost_one_are_two() -> None:
    """They are for the same place, but their identifications say which is which."""
    text = f"""{HANDSHAKE}
    0.045 < PSH data=1000 dss
    0.060 > ACK dss tsval=77 id=500
    0.061 > ACK dss tsval=77 id=501
    0.080 > PSH data=100 dss
    """
    client, server = pcaps(text)
    (found,) = pair(
        read(pcap_with([r for n, r in enumerate(pcap_records(client)) if n != 4])),
        read(pcap_with([r for n, r in enumerate(pcap_records(server)) if n != 5])),
    )

    assert ip_id_altered.detect(found).state is State.NOT_SEEN


def test_what_the_option_alone_explains_is_not_blamed_on_its_length() -> None:
    dropped = """
        0.0 > SYN mpc => lost
        1.0 > SYN mpc => lost
        2.0 > SYN mpc => lost
        3.0 > SYN
        3.02 < SYN/ACK
    """

    assert finding(long_options_dropped.detect, dropped).state is State.NOT_SEEN


@pytest.mark.parametrize(
    "detect",
    [
        acked_by_middlebox.detect,
        long_options_dropped.detect,
        mptcp_data_dropped.detect,
        option_padding_sensitive.detect,
        path_blackholed.detect,
        reset_injected.detect,
        unknown_option_dropped.detect,
        unknown_option_echoed.detect,
    ],
)
def test_a_clean_path_and_one_capture_accuse_nobody(detect: Detector) -> None:
    assert finding(detect, TWO_PATHS).state is not State.SEEN
    assert one_sided(detect, TWO_PATHS).state is State.NOT_MEASURED
