"""Which of several troubles with one cause is told."""

from collections.abc import Callable
from typing import Any

import pytest

from mptcp_check.both_ends import cause_first
from mptcp_check.errors import MachineError, MptcpCheckError, ServerError
from mptcp_check.exchanges.guest_api import GuestError
from mptcp_check.machines.measured_network import MeasuredNetwork, NetworkKind

GONE = MachineError("lan7 of this computer went away in mid-run")
SILENT = ServerError("box: no answer to 'survey' in time")
REFUSED = GuestError(
    "this computer", "configure", {"kind": "failed", "message": 'Cannot find device "path1"'}
)
LOST = ServerError("https://192.0.2.1 cannot be reached: network is unreachable")
DEAD = MachineError("the probe machine ended")


def network(*, check: Callable[[], None]) -> MeasuredNetwork:
    nobody: Any = None
    return MeasuredNetwork(
        kind=NetworkKind.BRIDGED, ends={}, addressing=nobody, check=check, ready_ns=0
    )


@pytest.mark.parametrize(
    ("failed", "found", "told"),
    [
        (REFUSED, GONE, GONE),
        (LOST, GONE, GONE),
        (REFUSED, None, REFUSED),
        (REFUSED, LOST, LOST),
        (LOST, None, LOST),
        (LOST, SILENT, LOST),
    ],
)
def test_an_interface_that_went_away_is_told_whoever_noticed_it_first(
    failed: MptcpCheckError, found: MptcpCheckError | None, told: MptcpCheckError
) -> None:
    def check() -> None:
        if found is not None:
            raise found

    with pytest.raises(MptcpCheckError) as error, cause_first(network(check=check)):
        raise failed

    assert error.value is told


@pytest.mark.parametrize("failed", [DEAD, KeyboardInterrupt()])
def test_an_end_that_ended_and_an_interrupt_are_not_asked_about(failed: BaseException) -> None:
    def check() -> None:
        raise AssertionError("nobody may be asked")

    with pytest.raises(type(failed)) as error, cause_first(network(check=check)):
        raise failed

    assert error.value is failed
