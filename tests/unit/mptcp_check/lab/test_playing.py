"""What stands on which link, what is run, and how counters are read."""

import pytest

from mptcp_check.errors import UsageError
from mptcp_check.lab import lab_run, playing
from mptcp_check.lab.case import Circumstances
from mptcp_check.lab.network import grown, parse_counters
from mptcp_check.model import Family, Side, Transfer, Transport


def test_boxes_stand_in_the_order_of_their_names_and_the_link_is_last() -> None:
    texts = ("address_translated", "payload_altered:skip_count=2")

    assert playing.placed(texts, 0) == (*texts, "link")
    assert playing.placed(texts, 1) == (*texts, "link")


def test_what_spares_a_second_subflow_stands_on_the_first_link_only() -> None:
    assert playing.placed(["path_blackholed"], 0) == ("path_blackholed", "link")
    assert playing.placed(["path_blackholed"], 1) == ("link",)


def test_a_box_has_beside_it_what_gives_it_work() -> None:
    assert playing.placed(["hole_blocked"], 0) == (
        "loss:probability=0.03,direction=c2s",
        "hole_blocked",
        "link",
    )


def test_a_box_of_the_kernel_is_no_part_of_the_wire() -> None:
    assert playing.placed(["kernel:masquerade", "mss_clamped"], 0) == ("mss_clamped", "link")
    box = playing.box_of(["mss_clamped", "kernel:masquerade"])
    assert box is not None
    assert box.id == "masquerade"
    assert playing.box_of(["mss_clamped"]) is None


def test_each_link_has_boxes_of_its_own() -> None:
    first, second = playing.chains(["payload_altered"], seed=1)

    assert [type(b) for b in first.behaviours] == [type(b) for b in second.behaviours]
    assert not set(map(id, first.behaviours)) & set(map(id, second.behaviours))


def test_a_parameter_that_is_not_there_is_refused() -> None:
    with pytest.raises(UsageError, match="no parameter is called 'skip'"):
        playing.chains(["payload_altered:skip=2"], seed=0)


def test_every_exchange_of_a_run_has_its_control_first() -> None:
    around = Circumstances(checksum=True, paths=2, family=Family.IPV6)

    exchanges = lab_run.plan(["stream", "http", "ftp"], around)

    assert [e.id for e in exchanges] == list(range(len(exchanges)))
    over_mptcp = [e for e in exchanges if e.transport is Transport.MPTCP]
    assert len(over_mptcp) == 1 + 2 + 4
    controls = [e for e in exchanges if e.transport is Transport.TCP]
    for exchange in over_mptcp:
        (control,) = (e for e in controls if e.control_key == exchange.control_key)
        assert control.id < exchange.id
        assert (control.checksum, control.paths) == (False, 1)
        assert (exchange.checksum, exchange.paths, exchange.family) == (True, 2, Family.IPV6)


@pytest.mark.parametrize(
    ("first", "direction"), [(Side.CLIENT, Transfer.UPLOAD), (Side.SERVER, Transfer.DOWNLOAD)]
)
def test_who_speaks_first_sends_first(first: Side, direction: Transfer) -> None:
    exchanges = lab_run.plan(["stream"], Circumstances(first=first))

    assert {e.direction for e in exchanges} == {direction}
    assert {e.mode for e in exchanges} == {f"{first}_first"}


def test_counters_are_named_as_nstat_names_them() -> None:
    text = "Tcp: InSegs OutSegs\nTcp: 3 4\nMPTcpExt: MPCapableSYNRX\nMPTcpExt: 1\n"

    assert parse_counters(text) == {"TcpInSegs": 3, "TcpOutSegs": 4, "MPTcpExtMPCapableSYNRX": 1}
    assert grown({"a": 1, "b": 2}, {"a": 1, "b": 5, "c": 1}) == {"b": 3, "c": 1}
