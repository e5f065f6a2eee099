"""Boxes that change the stream or the connection, in front of a real kernel."""

import random

import pytest

from lab.consequences import HANDSHAKE, clean, consequences
from lab.network import Observation, behind, lab
from lab.topology import SERVER_IPV4, SERVER_IPV6
from mptcp_check.middleboxes.acked_by_middlebox import AckedByMiddlebox
from mptcp_check.middleboxes.behaviour import Behaviour
from mptcp_check.middleboxes.connection_proxied import ConnectionProxied, Mode
from mptcp_check.middleboxes.connection_proxied import Parameters as Proxied
from mptcp_check.middleboxes.delay import Delay
from mptcp_check.middleboxes.delay import Parameters as Delayed
from mptcp_check.middleboxes.duplication import Duplication
from mptcp_check.middleboxes.hole_blocked import HoleBlocked
from mptcp_check.middleboxes.loss import Loss
from mptcp_check.middleboxes.loss import Parameters as Lost
from mptcp_check.middleboxes.path_blackholed import Parameters as Blackholed
from mptcp_check.middleboxes.path_blackholed import PathBlackholed
from mptcp_check.middleboxes.payload_resized import Parameters as Resized
from mptcp_check.middleboxes.payload_resized import PayloadResized
from mptcp_check.middleboxes.reordering import Reordering
from mptcp_check.middleboxes.reset_injected import ResetInjected
from mptcp_check.middleboxes.segments_coalesced import Parameters as Coalesced
from mptcp_check.middleboxes.segments_coalesced import SegmentsCoalesced
from mptcp_check.middleboxes.segments_split import OptionPlace, SegmentsSplit
from mptcp_check.middleboxes.segments_split import Parameters as Split
from mptcp_check.middleboxes.sequence_numbers_rewritten import Parameters as Rewritten
from mptcp_check.middleboxes.sequence_numbers_rewritten import SequenceNumbersRewritten
from mptcp_check.model import Side, Transfer, Transport

pytestmark = pytest.mark.lab

PATIENT_S = 60.0
"""What nobody has to wait for, on a busy computer."""
HANG_S = 5.0
"""How long an exchange that never ends is watched."""
PATHS = pytest.mark.parametrize("paths", [1, 2])
FALLBACK_AT_SYN_ACK = {"MPCapableSYNTX": 1, "MPCapableFallbackSYNACK": 1}


def rng() -> random.Random:
    return random.Random(3)  # noqa: S311 - reproducible


def loss(probability: float = 0.02) -> Loss:
    return Loss(Lost(probability=probability), rng=rng())


def observe_behind(
    *boxes: Behaviour,
    paths: int = 1,
    checksum: bool = False,
    address: str = SERVER_IPV4,
    deadline_s: float = PATIENT_S,
    transport: Transport = Transport.MPTCP,
) -> Observation:
    """Run one download with the boxes on the first link, and see that they did something."""
    with lab(behind(*boxes), checksum=checksum, paths=paths) as network:
        seen = network.observe(address=address, deadline_s=deadline_s, transport=transport)
    assert all(box.acted_count > 0 for box in boxes)
    assert seen.counters[Side.CLIENT].get("TcpInCsumErrors", 0) == 0
    assert seen.counters[Side.SERVER].get("TcpInCsumErrors", 0) == 0
    return seen


def message_by_message(
    box: Behaviour, *, paths: int = 1, checksum: bool = False, deadline_s: float = PATIENT_S
) -> Observation:
    """Upload messages with a round trip between them: one DSS mapping each."""
    with lab(behind(box), checksum=checksum, paths=paths) as network:
        seen = network.observe(
            direction=Transfer.UPLOAD,
            payload_bytes=20 * 1400,
            chunk_bytes=1400,
            pause_s=0.03,
            deadline_s=deadline_s,
        )
    assert box.acted_count > 0
    return seen


@PATHS
def test_rewritten_sequence_numbers_do_no_harm(paths: int) -> None:
    boxes = [SequenceNumbersRewritten() for _ in range(2)]
    with lab(behind(boxes[0], loss(), second=boxes[1:]), paths=paths) as network:
        seen = network.observe()

    assert seen.transferred.whole
    assert seen.transferred.still_mptcp
    assert consequences(seen) == clean(paths=paths)
    assert boxes[0].acted_count > 0
    assert (boxes[1].acted_count > 0) is (paths > 1)


def test_without_the_sack_blocks_rewritten_losses_cost_time_outs() -> None:
    box = SequenceNumbersRewritten(Rewritten(sack_translated=False))

    seen = observe_behind(box, loss(0.03), transport=Transport.TCP)

    assert seen.transferred.whole
    assert seen.counters[Side.SERVER]["TcpExtTCPTimeouts"] > 0


@pytest.mark.parametrize("place", [OptionPlace.COPIED, OptionPlace.FIRST])
def test_a_split_segment_does_no_harm_with_the_option_on_its_first_piece(
    place: OptionPlace,
) -> None:
    seen = observe_behind(SegmentsSplit(Split(options=place)))

    assert seen.transferred.whole
    assert seen.transferred.still_mptcp
    assert consequences(seen) == clean(paths=1)


def test_a_split_segment_with_the_option_on_its_last_piece_ends_in_tcp() -> None:
    seen = message_by_message(SegmentsSplit(Split(options=OptionPlace.LAST)))

    assert not seen.transferred.still_mptcp
    assert consequences(seen)["server"].get("DssFallback") == 1


def test_merged_segments_on_one_subflow_end_in_tcp() -> None:
    seen = observe_behind(SegmentsCoalesced())

    assert not seen.transferred.still_mptcp
    assert consequences(seen) == {
        "client": HANDSHAKE[Side.CLIENT] | {"DSSCorruptionFallback": 1},
        "server": HANDSHAKE[Side.SERVER],
    }


def test_merged_segments_do_no_harm_to_tcp() -> None:
    seen = observe_behind(SegmentsCoalesced(), transport=Transport.TCP)

    assert seen.transferred.whole


@pytest.mark.parametrize("checksum", [False, True])
def test_merged_segments_on_one_of_two_subflows_cost_that_one(*, checksum: bool) -> None:
    box = SegmentsCoalesced(Coalesced(skip_count=20))

    seen = observe_behind(box, paths=2, checksum=checksum)

    # Now and then some bytes are wrong, with checksums too; so nothing is said of them here.
    assert seen.transferred.arrived_bytes == 300_000
    assert seen.transferred.still_mptcp
    assert consequences(seen) == {
        "client": clean(paths=2)["client"] | {"DSSCorruptionReset": 1, "MPRstTx": 1},
        "server": clean(paths=2)["server"] | {"MPRstRx": 1},
    }


def test_a_longer_message_without_checksums_on_one_subflow_hangs() -> None:
    seen = message_by_message(PayloadResized(Resized(skip_count=4)), deadline_s=HANG_S)

    assert not seen.transferred.whole
    assert any("timed out" in error for error in seen.transferred.errors)
    assert consequences(seen)["server"]["DSSCorruptionFallback"] == 1
    assert consequences(seen)["client"]["MPRstTx"] == 1


def test_a_longer_message_without_checksums_on_two_subflows_is_silent_corruption() -> None:
    seen = message_by_message(PayloadResized(Resized(skip_count=4)), paths=2)

    assert seen.transferred.errors == ()
    assert seen.transferred.arrived_bytes == 20 * 1400
    assert not seen.transferred.whole
    assert consequences(seen)["server"]["DSSCorruptionReset"] == 1


def test_a_longer_message_with_checksums_on_one_subflow_falls_back_as_tcp_would_go() -> None:
    seen = message_by_message(PayloadResized(Resized(skip_count=4)), checksum=True)

    assert seen.transferred.errors == ()
    assert not seen.transferred.still_mptcp
    assert consequences(seen) == {
        "client": HANDSHAKE[Side.CLIENT] | {"InfiniteMapTx": 1, "MPFailTx": 1, "MPFailRx": 1},
        "server": HANDSHAKE[Side.SERVER]
        | {"DSSCorruptionFallback": 1, "DataCsumErr": 1, "MPFailTx": 1},
    }


def test_a_longer_message_with_checksums_on_two_subflows_is_sent_again_on_the_other() -> None:
    seen = message_by_message(PayloadResized(Resized(skip_count=4)), checksum=True, paths=2)

    assert seen.transferred.whole
    assert seen.transferred.still_mptcp
    assert consequences(seen) == {
        "client": clean(paths=2)["client"] | {"MPFailRx": 1, "MPRstRx": 1},
        "server": clean(paths=2)["server"] | {"DataCsumErr": 1, "MPFailTx": 1, "MPRstTx": 1},
    }


def test_tcp_delivers_the_longer_stream() -> None:
    box = PayloadResized()

    seen = observe_behind(box, loss(), transport=Transport.TCP)

    assert seen.transferred.arrived_bytes == 300_002


@PATHS
def test_early_acknowledgments_do_no_harm(paths: int) -> None:
    seen = observe_behind(loss(), AckedByMiddlebox(), paths=paths)

    assert seen.transferred.whole
    assert seen.transferred.still_mptcp
    assert consequences(seen) == clean(paths=paths)


@pytest.mark.parametrize("address", [SERVER_IPV4, SERVER_IPV6])
@pytest.mark.parametrize(
    "parameters",
    [Proxied(), Proxied(own_ports=True), Proxied(mode=Mode.SYN_PROXY)],
    ids=["split", "own-ports", "syn-proxy"],
)
def test_behind_a_proxy_it_is_tcp_from_the_syn_ack_on(parameters: Proxied, address: str) -> None:
    seen = observe_behind(loss(), ConnectionProxied(parameters, rng=rng()), loss(), address=address)

    assert seen.transferred.whole
    assert not seen.transferred.still_mptcp
    assert consequences(seen) == {"client": FALLBACK_AT_SYN_ACK, "server": {}}


@pytest.mark.parametrize("cuts_anew", [False, True])
def test_a_proxy_carries_every_byte_of_tcp_through_loss(*, cuts_anew: bool) -> None:
    # MPTCP's client loses some of those that are cut anew: test_after_fallback.py
    proxy = ConnectionProxied(Proxied(cuts_anew=cuts_anew), rng=rng())

    seen = observe_behind(loss(), proxy, loss(), transport=Transport.TCP)

    assert seen.transferred.whole


def test_a_forged_reset_on_the_only_subflow_makes_the_application_wait_where_tcp_fails() -> None:
    hung = observe_behind(ResetInjected(), deadline_s=HANG_S)
    failed = observe_behind(ResetInjected(), transport=Transport.TCP)

    assert not hung.transferred.whole
    assert hung.transferred.duration_s > 1.5  # net.mptcp.close_timeout is 2 s here
    assert hung.counters[Side.CLIENT]["TcpEstabResets"] == 1
    assert hung.counters[Side.SERVER]["TcpEstabResets"] == 1
    # at once, and not by its deadline
    assert "ConnectionResetError" in failed.transferred.errors[0]


def test_a_forged_reset_on_one_of_two_subflows_is_not_noticed() -> None:
    seen = observe_behind(ResetInjected(), paths=2)

    assert seen.transferred.whole
    assert seen.transferred.still_mptcp
    assert consequences(seen) == clean(paths=2)
    assert seen.counters[Side.CLIENT]["TcpEstabResets"] == 1


def test_what_was_lost_on_a_path_that_is_gone_goes_over_the_other() -> None:
    seen = observe_behind(PathBlackholed(), paths=2)

    assert seen.transferred.whole
    assert seen.transferred.still_mptcp
    # what goes over the other may be the last before the kernel takes the subflow for stale
    counted = consequences(seen)
    counted["server"].pop("SubflowStale", None)
    assert counted == clean(paths=2)
    assert seen.counters[Side.SERVER]["MPTcpExtMPTCPRetrans"] > 0


def test_the_only_path_may_come_back() -> None:
    seen = observe_behind(PathBlackholed(Blackholed(duration_ns=400_000_000)))

    assert seen.transferred.whole
    assert seen.transferred.duration_s > 0.4
    assert consequences(seen) == clean(paths=1)


def test_a_box_that_lets_data_out_in_order_only_hides_a_loss_until_the_time_out() -> None:
    seen = observe_behind(HoleBlocked(), loss())

    assert seen.transferred.whole
    assert consequences(seen) == clean(paths=1)
    assert seen.counters[Side.SERVER]["TcpExtTCPTimeouts"] > 0


@PATHS
def test_an_impaired_path_is_slow_and_nothing_else(paths: int) -> None:
    impaired: list[Behaviour] = [
        Loss(Lost(probability=0.01, burst_count=2), rng=rng()),
        Delay(Delayed(delay_ns=3_000_000, jitter_ns=2_000_000), rng=rng()),
        Reordering(rng=rng()),
        Duplication(rng=rng()),
    ]
    with lab(behind(*impaired), paths=paths) as network:
        seen = network.observe(address=SERVER_IPV4)

    # which of them acts is chance: a busy computer may send little over the first of two paths
    assert sum(box.acted_count for box in impaired) > 0
    assert seen.transferred.whole
    assert seen.transferred.still_mptcp
    assert consequences(seen) == clean(paths=paths)
