"""The kernel's own boxes: what the two captures say of them, and what the kernels counted."""

from collections.abc import Iterator
from typing import Any

import pytest

from mptcp_check.lab import sandbox
from mptcp_check.lab.case import STREAM, Case, Circumstances
from mptcp_check.lab.kernel_boxes import KERNEL_BOXES
from mptcp_check.lab.matrix import circumstances
from mptcp_check.lab.sandbox import Sandbox
from mptcp_check.model import Family, Side, Transport

pytestmark = pytest.mark.lab

FELL_BACK = {"MPCapableSYNTX": 1, "MPCapableFallbackSYNACK": 1}


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with Sandbox(sandbox.required(["kernel:masquerade"])) as made:
        yield made


def played(box: Sandbox, name: str, **around: Any) -> dict[str, Any]:  # noqa: ANN401 - of `Circumstances`
    case = Case(behaviours=(f"kernel:{name}",), circumstances=Circumstances(**around))
    result: dict[str, Any] = box.result({"do": "case", "case": case.as_json(), "keep": None})
    assert result["troubles"] == []
    return result


@pytest.mark.parametrize("family", list(Family))
def test_masquerade_lets_both_subflows_pass_and_is_called_a_translation(
    box: Sandbox, family: Family
) -> None:
    result = played(box, "masquerade", family=family)

    assert result["named"] == ["address_translated"]
    assert result["outcome"] == "mptcp"
    assert result["counters"]["server"]["MPJoinAckRx"] == 1
    assert all(result["arrived"].values())


@pytest.mark.parametrize("family", list(Family))
def test_the_option_reset_by_nftables_is_named(box: Sandbox, family: Family) -> None:
    result = played(box, "nft_reset_option", family=family)

    assert result["named"] == ["mp_capable_removed_from_syn"]
    assert result["counters"] == {"client": FELL_BACK, "server": {}}


@pytest.mark.parametrize("family", list(Family))
def test_the_option_stripped_by_iptables_is_named(box: Sandbox, family: Family) -> None:
    result = played(box, "tcpoptstrip", family=family)

    assert result["named"] == ["mp_capable_removed_from_synack"]
    assert result["counters"]["server"] == {"MPCapableSYNRX": 1, "MPCapableFallbackACK": 1}


@pytest.mark.parametrize("name", ["synproxy", "redirect", "tproxy"])
def test_a_proxy_of_the_kernel_makes_it_tcp_delivers_everything_and_is_called_a_proxy(
    box: Sandbox, name: str
) -> None:
    result = played(box, name)

    assert result["named"] == ["connection_proxied"]
    assert result["outcome"] == "fell_back_at_handshake"
    assert result["counters"] == {"client": FELL_BACK, "server": {}}
    assert all(result["arrived"].values())
    assert not result["still_mptcp"]


@pytest.mark.parametrize("name", ["synproxy", "redirect", "tproxy"])
def test_a_proxy_of_the_kernel_is_named_to_plain_tcp_as_well(box: Sandbox, name: str) -> None:
    result = played(box, name, transport=Transport.TCP)

    assert result["named"] == ["connection_proxied"]
    assert all(result["arrived"].values())


@pytest.mark.parametrize("name", [b.id for b in KERNEL_BOXES.values() if b.app == STREAM])
def test_a_box_of_the_kernel_is_called_what_it_is_and_nothing_else(box: Sandbox, name: str) -> None:
    # who speaks last ends with a segment that has both data and FIN: a relay makes two of it
    result = played(box, name, first=Side.SERVER, paths=1, checksum=True)

    assert set(result["named"]) == KERNEL_BOXES[name].names


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "around"),
    [
        (box.id, around)
        for box in KERNEL_BOXES.values()
        for around in circumstances()
        if box.app == STREAM and around.family in box.families
    ],
)
def test_it_is_so_under_every_circumstance(box: Sandbox, name: str, around: Circumstances) -> None:
    case = Case(behaviours=(f"kernel:{name}",), circumstances=around)

    result = box.result({"do": "case", "case": case.as_json(), "keep": None})

    assert set(result["named"]) == KERNEL_BOXES[name].names
