"""Boxes that look at one segment at a time, in front of a real kernel: what became of MPTCP.

Where the kernel's answer depends on luck the test says what holds each time.
"""

import random
import subprocess
from contextlib import AbstractContextManager

import pytest

from lab.consequences import HANDSHAKE, JOIN, clean, consequences
from lab.network import Lab, Observation, behind, lab
from lab.topology import SERVER_IPV4, SERVER_IPV6
from mptcp_check.middleboxes.behaviour import Behaviour
from mptcp_check.middleboxes.registry import build
from mptcp_check.model import Side, Transfer, Transport

pytestmark = pytest.mark.lab

HANG_S = 3.0
"""How long an exchange that never ends is watched, and how long a join that is never answered."""
PATIENT_S = 60.0
"""What nobody has to wait for, on a busy computer."""
BOTH_FAMILIES = pytest.mark.parametrize("address", [SERVER_IPV4, SERVER_IPV6])
FALLBACK_AT_SYN_ACK = {"MPCapableSYNTX": 1, "MPCapableFallbackSYNACK": 1}
CLIENT_ALONE = {"client": {"MPCapableSYNTX": 1}, "server": {}}
"""A SYN that the server never saw."""
FIRST_DATA = HANDSHAKE[Side.CLIENT] | {"MPCapableDataFallback": 1}
"""A client that fell back at the first data."""
JOIN_IN_VAIN = {
    "client": HANDSHAKE[Side.CLIENT] | {"MPJoinSynTx": 1},
    "server": HANDSHAKE[Side.SERVER],
}


def boxes(*texts: str, link_index: int = 0) -> list[Behaviour]:
    rng = random.Random(link_index)  # noqa: S311 - a seed, no secret
    return [build(text, link_index=link_index, rng=rng) for text in texts]


def on_both_links(*texts: str, paths: int = 2) -> AbstractContextManager[Lab]:
    return lab(behind(*boxes(*texts), second=boxes(*texts, link_index=1)), paths=paths)


def observed(
    text: str,
    *,
    paths: int = 1,
    direction: Transfer = Transfer.DOWNLOAD,
    deadline_s: float = PATIENT_S,
    join_s: float = PATIENT_S,
    address: str = SERVER_IPV4,
) -> Observation:
    """Run one exchange with a box on both links, and see that it did something."""
    with on_both_links(text, paths=paths) as network:
        seen = network.observe(
            direction=direction, deadline_s=deadline_s, join_s=join_s, address=address
        )
    assert seen.acted_count > 0
    return seen


def test_without_a_syn_ack_there_is_no_connection_and_the_plain_syn_does_not_help() -> None:
    seen = observed("mp_capable_synack_dropped", deadline_s=6.0)

    assert seen.transferred.connect_s is None
    assert consequences(seen) == {
        "client": {"MPCapableSYNTX": 1, "MPCapableSYNTXDrop": 1},
        "server": {"MPCapableSYNRX": 1},
    }


def test_long_options_keep_mptcp_from_connecting_and_not_tcp() -> None:
    with on_both_links("long_options_dropped", paths=1) as network:
        control = network.observe(transport=Transport.TCP)
        seen = network.observe(deadline_s=HANG_S)

    assert control.transferred.whole
    assert seen.transferred.connect_s is None
    assert consequences(seen)["server"] == {"MPCapableSYNRX": 1}


@BOTH_FAMILIES
def test_a_reset_for_the_syn_is_taken_for_the_servers_and_there_is_no_fallback(
    address: str,
) -> None:
    seen = observed("mp_capable_syn_reset", address=address)

    assert seen.acted_count == 1
    assert "ConnectionRefusedError" in seen.transferred.errors[0]
    assert consequences(seen) == CLIENT_ALONE


@pytest.mark.parametrize(
    ("strip", "server"),
    [("yes", {}), ("no", {"MPCapableSYNRX": 1, "MPCapableFallbackACK": 1})],
)
def test_the_clients_own_option_in_the_answer_means_plain_tcp(
    strip: str, server: dict[str, int]
) -> None:
    seen = observed(f"mptcp_option_echoed:strip_from_syn={strip}")

    assert seen.transferred.whole
    assert not seen.transferred.still_mptcp
    assert consequences(seen) == {"client": FALLBACK_AT_SYN_ACK, "server": server}


@pytest.mark.parametrize("restored", ["no", "yes"])
def test_an_altered_key_makes_a_live_lock_and_a_join_finds_no_connection(restored: str) -> None:
    seen = observed(f"mp_capable_key_altered:restored={restored}", paths=2, deadline_s=HANG_S)

    assert seen.transferred.arrived_bytes == 0
    assert seen.transferred.still_mptcp
    assert consequences(seen) == {
        "client": HANDSHAKE[Side.CLIENT] | {"MPJoinSynTx": 1},
        "server": HANDSHAKE[Side.SERVER] | {"MPJoinSynRx": 1, "MPJoinNoTokenFound": 1},
    }


@pytest.mark.parametrize("text", ["mp_join_dropped", "mp_join_reset:direction=c2s"])
def test_a_join_that_does_not_pass_leaves_the_first_subflow_alone(text: str) -> None:
    seen = observed(text, paths=2, join_s=HANG_S)

    assert seen.transferred.whole
    assert seen.transferred.still_mptcp
    assert consequences(seen) == JOIN_IN_VAIN


def test_a_box_for_first_subflows_spares_joins_and_one_for_further_ones_spares_the_first() -> None:
    with on_both_links("mptcp_data_dropped:subflow=further") as network:
        seen = network.observe(payload_bytes=1)
    with on_both_links("mp_join_dropped:subflow=first") as network:
        spared = network.observe(join_s=PATIENT_S)

    assert seen.transferred.whole
    assert spared.acted_count == 0
    assert consequences(spared)["client"] == HANDSHAKE[Side.CLIENT] | JOIN[Side.CLIENT]


def test_without_add_addr_the_client_learns_nothing_and_may_fall_back() -> None:
    with on_both_links("add_addr_removed", paths=1) as network:
        announce = ["mptcp", "endpoint", "add", "10.77.0.3", "dev", "eth0", "signal"]
        subprocess.run(["ip", "-n", network.namespaces.server, *announce], check=True)
        seen = network.observe(direction=Transfer.UPLOAD)

    assert seen.acted_count > 0
    assert seen.transferred.whole
    counted = consequences(seen)
    assert counted["server"]["AddAddrTx"] > 0
    assert counted["client"].get("AddAddr", 0) == 0
    fell_back = "MPCapableDataFallback" in counted["client"]  # if nothing else came before it
    assert seen.transferred.still_mptcp is not fell_back


@pytest.mark.parametrize("parameters", ["direction=c2s", "removal=delete"])
def test_without_options_on_the_third_ack_both_fall_back_at_the_first_data(
    parameters: str,
) -> None:
    seen = observed(f"mptcp_option_removed_from_data:{parameters}")

    assert seen.transferred.whole
    assert not seen.transferred.still_mptcp
    assert consequences(seen) == {
        "client": FIRST_DATA,
        "server": {"MPCapableSYNRX": 1, "MPCapableFallbackACK": 1},
    }


def test_without_options_towards_the_sender_of_data_both_fall_back_too() -> None:
    seen = observed("mptcp_option_removed_from_data:direction=s2c", direction=Transfer.UPLOAD)

    assert seen.transferred.whole
    assert consequences(seen) == {
        "client": FIRST_DATA,
        "server": HANDSHAKE[Side.SERVER] | {"DssFallback": 1},
    }


def test_without_options_towards_the_receiver_of_bulk_data_bytes_arrive_twice() -> None:
    # Only the receiver falls back: what the sender repeats at the data level is new data to it.
    seen = observed("mptcp_option_removed_from_data:direction=s2c", deadline_s=2 * HANG_S)

    assert not seen.transferred.whole
    assert not seen.transferred.still_mptcp
    assert consequences(seen) == {"client": FIRST_DATA, "server": HANDSHAKE[Side.SERVER]}


@pytest.mark.parametrize("removal", ["nop", "delete"])
def test_options_that_vanish_midstream_spoil_a_transfer_over_one_subflow(removal: str) -> None:
    seen = observed(f"mptcp_option_removed_midstream:removal={removal}", deadline_s=2 * HANG_S)

    assert not seen.transferred.whole
    assert not seen.transferred.still_mptcp
    assert consequences(seen) == {
        "client": HANDSHAKE[Side.CLIENT] | {"DssFallback": 1},
        "server": HANDSHAKE[Side.SERVER],
    }


def test_options_that_vanish_midstream_end_both_of_two_subflows_and_the_application_hangs() -> None:
    seen = observed("mptcp_option_removed_midstream", paths=2, deadline_s=2 * HANG_S)

    assert "TimeoutError" in seen.transferred.errors[0]
    assert 0 < seen.transferred.arrived_bytes < 300_000
    counted = clean(paths=2)
    assert consequences(seen) == {**counted, "client": counted["client"] | {"MPRstTx": 2}}


def test_dropped_data_is_sent_again_with_options_for_ever() -> None:
    with on_both_links("mptcp_data_dropped", paths=1) as network:
        control = network.observe(transport=Transport.TCP)
        seen = network.observe(deadline_s=HANG_S)

    assert control.transferred.whole
    assert seen.acted_count > 1
    assert seen.transferred.arrived_bytes == 0
    assert seen.transferred.still_mptcp
    assert consequences(seen) == clean(paths=1)


HARMLESS = (
    "mss_clamped", "tcp_option_removed", "unknown_option_removed", "unknown_option_echoed",
    "unknown_option_dropped", "option_padding_sensitive", "window_altered",
    "window_scale_altered", "dscp_altered", "ecn_cleared", "ttl_altered", "ip_id_altered",
    "urgent_pointer_cleared", "reserved_bits_cleared",
)  # fmt: skip
ACTS_ON_LINUX = {
    "mss_clamped", "tcp_option_removed", "window_altered", "window_scale_altered", "dscp_altered",
    "ttl_altered",
}  # fmt: skip
"""The others find nothing of theirs in what Linux sends by default."""


@BOTH_FAMILIES
@pytest.mark.parametrize("paths", [1, 2])
def test_what_boxes_do_to_tcp_in_general_is_no_matter_to_mptcp(address: str, paths: int) -> None:
    first, second = (boxes(*HARMLESS, link_index=link) for link in (0, 1))
    with lab(behind(*first, second=second), paths=paths) as network:
        seen = network.observe(address=address)

    assert seen.transferred.whole
    assert seen.transferred.still_mptcp
    assert consequences(seen) == clean(paths=paths)
    acted = {name for name, box in zip(HARMLESS, first, strict=True) if box.acted_count}
    assert acted == ACTS_ON_LINUX | ({"ip_id_altered"} if address == SERVER_IPV4 else set())


def test_shifted_clocks_and_a_greater_mss_are_no_matter_either() -> None:
    with on_both_links("timestamp_altered", "tcp_option_altered") as network:
        seen = network.observe()

    assert all(box.acted_count > 0 for box in network.chains[0].behaviours[:2])
    assert seen.transferred.whole
    assert seen.counters[Side.CLIENT].get("TcpExtPAWSEstab", 0) == 0
    assert consequences(seen) == clean(paths=2)


def test_segments_with_wrong_checksums_are_sent_again() -> None:
    seen = observed("checksum_invalid:direction=s2c,segment_count=3")

    assert seen.acted_count == 3
    assert seen.counters[Side.CLIENT]["TcpInCsumErrors"] == 3
    assert seen.transferred.whole
    assert consequences(seen) == clean(paths=1)
