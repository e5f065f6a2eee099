from dataclasses import replace

import pytest

from host_interfaces import facts, interface
from mptcp_check.errors import PreflightError
from mptcp_check.machines.bridging import planning
from mptcp_check.machines.network import Attachment, Network, descriptors, require_free, vanished

ETH0 = interface()


def attached(*, network: Network | None = None) -> Attachment:
    (attachment,) = planning.plan([ETH0], facts(ETH0), network=network)
    return attachment


def device(attachment: Attachment) -> object:
    return interface(attachment.device, index=9)


def test_an_interface_that_is_as_it_was_is_no_trouble() -> None:
    one = attached()
    assert vanished([one], [ETH0, interface(one.device, index=9)]) == ""


@pytest.mark.parametrize(
    ("now", "words"),
    [
        ([], "eth0 (Ethernet) went away in mid-run"),
        ([replace(ETH0, index=12)], "eth0 (Ethernet) went away in mid-run"),
        ([replace(ETH0, up=False)], "eth0 (Ethernet) lost its link in mid-run"),
        ([ETH0], "mptcp-2, the machine's join to eth0 (Ethernet), went away"),
    ],
)
def test_what_went_away_is_named(now: list[object], words: str) -> None:
    assert vanished([attached()], now) == words  # type: ignore[arg-type] # interfaces


def test_a_routed_machine_needs_the_default_route_too() -> None:
    one = attached(network=Network.ROUTED)
    now = [replace(ETH0, gateways=()), interface(one.device, index=9)]
    assert vanished([one], now) == "eth0 (Ethernet) lost its default route in mid-run"


def test_a_device_that_is_there_already_is_another_runs() -> None:
    one = attached()
    with pytest.raises(PreflightError, match="has a machine already: mptcp-2"):
        require_free([one], facts(ETH0, interface("mptcp-2", index=9)))


def test_qemu_inherits_what_is_open() -> None:
    one = attached()
    assert descriptors([one, replace(one, descriptor=7)]) == (7,)
