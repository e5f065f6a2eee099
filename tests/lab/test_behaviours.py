"""Each box in front of a real kernel: the consequence is the one that was measured before."""

import pytest

from lab.consequences import HANDSHAKE, JOIN, clean, consequences
from lab.network import Observation, behind, lab
from lab.topology import SERVER_IPV4, SERVER_IPV6
from mptcp_check.middleboxes.address_translated import AddressTranslated, parameters_of_link
from mptcp_check.middleboxes.behaviour import Behaviour
from mptcp_check.middleboxes.handshake import Step
from mptcp_check.middleboxes.mp_capable_removed_from_syn import MpCapableRemovedFromSyn
from mptcp_check.middleboxes.mp_capable_removed_from_syn import Parameters as RemovedFromSyn
from mptcp_check.middleboxes.mp_capable_removed_from_synack import MpCapableRemovedFromSynack
from mptcp_check.middleboxes.mp_capable_syn_dropped import MpCapableSynDropped
from mptcp_check.middleboxes.mp_join_removed import MpJoinRemoved
from mptcp_check.middleboxes.mp_join_removed import Parameters as JoinRemoved
from mptcp_check.middleboxes.options_edit import Removal
from mptcp_check.middleboxes.payload_altered import Parameters as Altered
from mptcp_check.middleboxes.payload_altered import PayloadAltered
from mptcp_check.model import Side, Transfer, Transport

pytestmark = pytest.mark.lab

BOTH_FAMILIES = pytest.mark.parametrize("address", [SERVER_IPV4, SERVER_IPV6])
PATHS = pytest.mark.parametrize("paths", [1, 2])
FALLBACK_AT_SYN_ACK = {"MPCapableSYNTX": 1, "MPCapableFallbackSYNACK": 1}


def observe_behind(
    *boxes: Behaviour, paths: int = 2, checksum: bool = False, address: str = SERVER_IPV4
) -> Observation:
    """Run one download with the boxes on both links, and see that they did something."""
    with lab(behind(*boxes), checksum=checksum, paths=paths) as network:
        seen = network.observe(address=address)
    assert seen.acted_count > 0
    return seen


def message_by_message(*, skip_count: int, paths: int) -> Observation:
    """Upload messages with a round trip between them: one DSS mapping each, checksums on."""
    box = PayloadAltered(Altered(skip_count=skip_count))
    with lab(behind(box), checksum=True, paths=paths) as network:
        seen = network.observe(
            direction=Transfer.UPLOAD, payload_bytes=20 * 1400, chunk_bytes=1400, pause_s=0.03
        )
    assert seen.acted_count > 0
    return seen


@BOTH_FAMILIES
@PATHS
@pytest.mark.parametrize("removal", list(Removal))
def test_without_mp_capable_in_the_syn_both_ends_speak_tcp_at_once(
    address: str, paths: int, removal: Removal
) -> None:
    box = MpCapableRemovedFromSyn(RemovedFromSyn(removal=removal))

    seen = observe_behind(box, paths=paths, address=address)

    assert seen.transferred.whole
    assert not seen.transferred.still_mptcp
    assert consequences(seen) == {"client": FALLBACK_AT_SYN_ACK, "server": {}}


@BOTH_FAMILIES
@PATHS
def test_without_mp_capable_in_the_syn_ack_the_server_falls_back_at_the_third_ack(
    address: str, paths: int
) -> None:
    seen = observe_behind(MpCapableRemovedFromSynack(), paths=paths, address=address)

    assert seen.transferred.whole
    assert not seen.transferred.still_mptcp
    assert consequences(seen) == {
        "client": FALLBACK_AT_SYN_ACK,
        "server": {"MPCapableSYNRX": 1, "MPCapableFallbackACK": 1},
    }


@BOTH_FAMILIES
def test_dropped_syns_cost_three_seconds_and_then_it_is_tcp(address: str) -> None:
    seen = observe_behind(MpCapableSynDropped(), address=address)

    assert seen.transferred.whole
    assert not seen.transferred.still_mptcp
    assert seen.acted_count == 3
    assert seen.transferred.connect_s is not None
    assert seen.transferred.connect_s >= 3  # retransmissions at 1, 2 and 3 s; late is no fault
    assert consequences(seen) == {
        "client": {"MPCapableSYNTX": 1, "MPCapableSYNTXDrop": 1},
        "server": {},
    }


def test_a_dropped_syn_does_not_switch_mptcp_off_for_the_next_exchange() -> None:
    box = MpCapableSynDropped()
    with lab(behind(box), paths=1) as network:
        network.observe()
        again = network.observe()

    assert box.acted_count == 6
    assert consequences(again)["client"].get("MPCapableSYNTXDisabled", 0) == 0


@BOTH_FAMILIES
@pytest.mark.parametrize("steps", [frozenset(Step), frozenset({Step.SYN})])
def test_without_mp_join_in_the_syn_there_is_no_second_subflow_and_the_first_goes_on(
    address: str, steps: frozenset[Step]
) -> None:
    with lab(behind(second=[MpJoinRemoved(JoinRemoved(steps=steps))])) as network:
        seen = network.observe(address=address)

    assert seen.acted_count == 1
    assert seen.transferred.whole
    assert seen.transferred.still_mptcp
    assert consequences(seen) == {
        "client": HANDSHAKE[Side.CLIENT] | {"MPJoinSynTx": 1, "MPRstTx": 1},
        "server": HANDSHAKE[Side.SERVER],
    }


@pytest.mark.parametrize("step", [Step.SYN_ACK, Step.ACK])
def test_without_mp_join_in_a_later_step_there_is_no_second_subflow_either(step: Step) -> None:
    box = MpJoinRemoved(JoinRemoved(steps=frozenset({step})))
    with lab(behind(second=[box])) as network:
        seen = network.observe()

    assert seen.acted_count > 0
    assert seen.transferred.whole
    assert seen.transferred.still_mptcp
    assert consequences(seen)["server"].get("MPJoinAckRx", 0) == 0


@BOTH_FAMILIES
@PATHS
def test_an_altered_byte_is_delivered_unnoticed_without_checksums(address: str, paths: int) -> None:
    seen = observe_behind(PayloadAltered(), paths=paths, address=address)

    assert not seen.transferred.whole
    assert seen.transferred.arrived_bytes == 300_000
    assert seen.transferred.still_mptcp
    assert consequences(seen) == clean(paths=paths)


def test_plain_tcp_delivers_an_altered_byte_too() -> None:
    with lab(behind(PayloadAltered())) as network:
        seen = network.observe(transport=Transport.TCP)

    assert not seen.transferred.whole
    assert seen.counters[Side.CLIENT].get("TcpInCsumErrors", 0) == 0


def test_an_altered_byte_with_checksums_on_one_subflow_ends_in_an_infinite_mapping() -> None:
    seen = message_by_message(skip_count=4, paths=1)

    assert not seen.transferred.whole
    assert not seen.transferred.still_mptcp
    assert consequences(seen) == {
        "client": HANDSHAKE[Side.CLIENT] | {"InfiniteMapTx": 1, "MPFailTx": 1, "MPFailRx": 1},
        "server": HANDSHAKE[Side.SERVER]
        | {"DataCsumErr": 1, "MPFailTx": 1, "MPFailRx": 1, "InfiniteMapRx": 1, "DssFallback": 1},
    }


def test_an_altered_byte_in_the_first_data_makes_both_fall_back_without_mp_fail() -> None:
    seen = message_by_message(skip_count=0, paths=1)

    assert not seen.transferred.whole
    assert consequences(seen) == {
        "client": HANDSHAKE[Side.CLIENT] | {"MPCapableDataFallback": 1},
        "server": HANDSHAKE[Side.SERVER] | {"DataCsumErr": 1, "DssFallback": 1},
    }


def test_an_altered_byte_with_checksums_on_two_subflows_costs_one_subflow_and_no_data() -> None:
    seen = message_by_message(skip_count=4, paths=2)

    assert seen.transferred.whole
    assert seen.transferred.still_mptcp
    assert consequences(seen) == {
        "client": clean(paths=2)["client"] | {"MPFailRx": 1, "MPRstRx": 1},
        "server": clean(paths=2)["server"] | {"DataCsumErr": 1, "MPFailTx": 1, "MPRstTx": 1},
    }


def test_an_altered_byte_with_checksums_in_bulk_on_one_subflow_spoils_the_transfer() -> None:
    # With more than one mapping in flight the kernel delivers bytes twice, or stalls.
    with lab(behind(PayloadAltered()), checksum=True, paths=1) as network:
        seen = network.observe(deadline_s=4)

    assert not seen.transferred.whole
    assert not seen.transferred.still_mptcp
    assert consequences(seen)["client"]["DataCsumErr"] == 1


@BOTH_FAMILIES
@PATHS
@pytest.mark.parametrize("direction", list(Transfer))
def test_translated_addresses_do_no_harm(address: str, paths: int, direction: Transfer) -> None:
    boxes = [AddressTranslated(parameters_of_link(link)) for link in (0, 1)]
    with lab(behind(boxes[0], second=boxes[1:]), paths=paths) as network:
        seen = network.observe(address=address, direction=direction)

    assert seen.transferred.whole
    assert seen.transferred.still_mptcp
    assert consequences(seen) == clean(paths=paths)
    assert boxes[0].acted_count > 0
    assert (boxes[1].acted_count > 0) is (paths > 1)


def test_boxes_compose() -> None:
    # The NAT is met first, so what it lets through has lost its option behind it.
    boxes = (AddressTranslated(parameters_of_link(0)), MpCapableRemovedFromSyn())

    seen = observe_behind(*boxes)

    assert all(box.acted_count > 0 for box in boxes)
    assert consequences(seen) == {"client": FALLBACK_AT_SYN_ACK, "server": {}}


def test_the_joins_of_an_undisturbed_second_link_survive_a_box_on_the_first() -> None:
    with lab(behind(MpJoinRemoved())) as network:
        seen = network.observe()

    assert seen.acted_count == 0
    assert consequences(seen)["client"] == HANDSHAKE[Side.CLIENT] | JOIN[Side.CLIENT]
