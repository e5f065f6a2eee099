"""The table of boxes that the kernel plays."""

import pytest

from mptcp_check.catalogue import BEHAVIOURS
from mptcp_check.errors import UsageError
from mptcp_check.exchanges import APPLICATIONS
from mptcp_check.lab.case import STREAM
from mptcp_check.lab.kernel_boxes import KERNEL_BOXES, kernel_box, route_commands
from mptcp_check.lab.sandbox import needs


def test_a_name_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(UsageError) as refused:
        kernel_box("kernel:masquarade")

    assert "kernel:masquarade" in refused.value.message
    assert "kernel:masquerade" in refused.value.hint


@pytest.mark.parametrize("name", sorted(KERNEL_BOXES))
def test_a_box_names_what_the_catalogue_and_the_applications_know(name: str) -> None:
    box = kernel_box(f"kernel:{name}")

    assert box.names
    assert box.names <= set(BEHAVIOURS)
    assert box.app in {STREAM, *APPLICATIONS}
    assert box.setup or box.nft
    assert not any('"' in line or "'" in line for line in box.setup)


def test_the_router_answers_for_both_ends_in_both_families() -> None:
    lines = list(route_commands())

    assert "route add 10.77.0.1 dev in0" in lines
    assert "route add default via 10.77.1.2 dev out1 onlink table 201" in lines
    assert "-6 neigh add proxy fd77::2 dev in0" in lines
    assert "-6 neigh add proxy fd77:1::1 dev out1" in lines
    assert len(lines) == len(set(lines))


def test_servers_and_boxes_need_more_than_streams_do() -> None:
    assert needs(["mp_join_removed"], [STREAM]) == ((), False)
    assert needs(["kernel:masquerade"], [STREAM]) == (("nft", "iptables", "ip6tables"), False)
    assert needs([], ["http", "ftp"]) == (("nginx", "curl", "mptcpize", "pure-ftpd"), True)
