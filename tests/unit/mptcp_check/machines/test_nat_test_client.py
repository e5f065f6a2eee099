"""The self-test of a machine's interfaces, before the first exchange."""

import random
from collections.abc import Mapping
from typing import Any

import pytest

from mptcp_check.errors import PreflightError
from mptcp_check.machines import nat_test_uplink
from mptcp_check.machines.nat_test_client import require_on_networks
from mptcp_guest.messages import FirstHopAnswer, InterfaceState

SERVERS = (("198.51.100.10", 80), ("2001:db8::10", 80))
ROUTER = FirstHopAnswer(kind="time_exceeded", sender="10.0.0.1", mp_capable=False, time_ns=0)
SYNACK = FirstHopAnswer(kind="synack", sender="", mp_capable=False, time_ns=0)
MULTIPATH = FirstHopAnswer(kind="synack", sender="", mp_capable=True, time_ns=0)


def state(name: str, *addresses: str) -> InterfaceState:
    return InterfaceState(
        name=name, mac="02:00:00:00:00:01", mtu=1500, offloads_on=[], addresses=list(addresses),
        gateways=[], attached="moved", parent=name,
    )  # fmt: skip


class Machine:
    """A machine whose first hops answer as they are told, by interface and hop limit."""

    def __init__(self, answers: Mapping[tuple[str, int], list[FirstHopAnswer]]) -> None:
        self.answers = answers
        self.asked: list[tuple[str, str]] = []

    def __call__(self, _verb: str, arguments: Mapping[str, Any]) -> object:
        self.asked.append((arguments["interface"], arguments["address"]))
        found = self.answers.get((arguments["interface"], arguments["hop_limit"]), [])
        return {"source": "", "sent_count": 1, "answers": found}


@pytest.fixture(autouse=True)
def _nobody_looks_at_the_uplink(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nat_test_uplink, "can_watch", lambda: False)


def required(machine: Machine, *states: InterfaceState) -> tuple[str, ...]:
    return require_on_networks(
        machine,
        states,
        SERVERS,
        parents={"eth0": "br0 (bridge)", "eth1": "en1 (Wi-Fi)"},
        rng=random.Random(1),  # noqa: S311 - a test
    )


def test_each_interface_gives_one_sentence_with_the_reason() -> None:
    machine = Machine({("eth0", 64): [MULTIPATH], ("eth1", 64): [SYNACK], ("eth1", 1): [ROUTER]})

    said = required(machine, state("eth0", "10.0.0.5/24"), state("eth1", "10.0.1.5/24"))

    assert said == (
        "by eth0 the machine's own TCP leaves this computer (the server answered with MP_CAPABLE)",
        "by eth1 the machine's own TCP leaves this computer (the first hop is a router (10.0.0.1))",
    )


def test_a_user_mode_network_at_any_interface_is_refused_by_its_name() -> None:
    machine = Machine({("eth0", 64): [MULTIPATH], ("eth1", 64): [SYNACK], ("eth1", 1): [SYNACK]})

    with pytest.raises(PreflightError, match=r"not really on the network of en1 \(Wi-Fi\)"):
        required(machine, state("eth0", "10.0.0.5/24"), state("eth1", "10.0.2.15/24"))


def test_what_cannot_be_told_is_said_and_refuses_nothing() -> None:
    said = required(Machine({}), state("eth0", "10.0.0.5/24"))

    assert len(said) == 1
    assert "could not be told" in said[0]


def test_an_interface_asks_the_server_in_a_family_that_it_has() -> None:
    machine = Machine({("eth0", 64): [MULTIPATH]})

    required(machine, state("eth0", "2001:db8:1::5/64"), state("eth1"))

    assert machine.asked == [("eth0", "2001:db8::10")]
