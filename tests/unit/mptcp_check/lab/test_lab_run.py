"""What `lab run` plans, in namespaces and between machines."""

import pytest

from mptcp_check.errors import UsageError
from mptcp_check.exchanges.plan import DEADLINE_S, PAYLOAD_BYTES
from mptcp_check.lab import lab_run
from mptcp_check.lab.case import STREAM, Circumstances
from mptcp_check.model import Family, Transport

AROUND = Circumstances(checksum=True, paths=1, family=Family.IPV6)


@pytest.mark.parametrize("apps", [(STREAM,), ("http",), ("http", STREAM)])
def test_machines_play_http_where_namespaces_have_a_stream(apps: tuple[str, ...]) -> None:
    exchanges = lab_run.machines_plan(apps, AROUND)

    assert {exchange.app for exchange in exchanges} == {"http"}
    assert [exchange.id for exchange in exchanges] == list(range(4))


def test_what_is_asked_for_holds_between_machines_too_and_each_transfer_has_its_control() -> None:
    exchanges = lab_run.machines_plan(("http", "ftp"), AROUND)

    over_mptcp = [e for e in exchanges if e.transport is Transport.MPTCP]
    assert {(e.checksum, e.paths, e.family) for e in over_mptcp} == {(True, 1, Family.IPV6)}
    assert len(over_mptcp) * 2 == len(exchanges) == 12
    transfers = [(e.app, e.mode, e.direction) for e in exchanges]
    assert transfers[::2] == transfers[1::2]
    assert {(e.payload_bytes, e.deadline_s) for e in exchanges} == {(PAYLOAD_BYTES, DEADLINE_S)}


def test_what_a_behaviour_needs_stands_beside_it_between_machines() -> None:
    behind = lab_run.machines_behind(["address_translated", "hole_blocked"])

    assert behind == ("address_translated", "loss:probability=0.03,direction=c2s", "hole_blocked")


@pytest.mark.parametrize(
    "behaviour", ["kernel:masquerade", "add_addr_removed", "ecn_cleared", "urgent_pointer_cleared"]
)
def test_what_machines_cannot_play_is_refused(behaviour: str) -> None:
    with pytest.raises(UsageError, match=behaviour) as refused:
        lab_run.machines_behind([behaviour])

    assert refused.value.exit_code == 2
    assert "--machines" in refused.value.hint
