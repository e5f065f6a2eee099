import random
import socket
import struct
from collections.abc import Mapping
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mptcp_check.errors import PreflightError
from mptcp_check.machines import nat_test
from mptcp_check.machines.nat_test import (
    FIRST_HOP_ONLY,
    Ending,
    Heard,
    Judgement,
    SeenSyn,
    examine,
    judge,
    require_passing,
)
from mptcp_check.machines.nat_test_uplink import syn_to
from mptcp_guest import first_hop
from mptcp_guest.messages import FirstHopAnswer, FirstHopArguments

ISN = 0x1234_5678
SERVER = ("198.51.100.10", 80)


def answer(kind: Any, *, mp_capable: bool = False, sender: str = "") -> FirstHopAnswer:  # noqa: ANN401 - a literal
    return FirstHopAnswer(kind=kind, sender=sender, mp_capable=mp_capable, time_ns=0)


SYNACK = answer("synack")
OWN = SeenSyn(interface="eth0", isn=ISN, options=first_hop.OPTIONS)
STRIPPED = SeenSyn(interface="eth0", isn=ISN, options=b"\x02\x04\x05\xb4")
FOREIGN = SeenSyn(interface="eth0", isn=7, options=b"\x02\x04\x05\xb4")


def heard(**more: Any) -> Heard:  # noqa: ANN401 - its fields
    values: dict[str, Any] = {"isn": ISN, "direct": False, "first_hop": (), "whole_way": (SYNACK,)}
    return Heard(**{**values, **more})


@pytest.mark.parametrize(
    ("facts", "ending"),
    [
        # the server's own answer is beyond doubt, whatever else was seen
        (heard(whole_way=(answer("synack", mp_capable=True),), uplink=[FOREIGN]), Ending.PASSES),
        (heard(uplink=[FOREIGN, OWN]), Ending.PASSES),
        (heard(uplink=[STRIPPED], first_hop=(SYNACK,)), Ending.PASSES),
        (heard(uplink=[FOREIGN], first_hop=(answer("time_exceeded"),)), Ending.ENDS_HERE),
        (heard(first_hop=(SYNACK,)), Ending.ENDS_HERE),
        (heard(uplink=[], first_hop=(SYNACK,)), Ending.ENDS_HERE),
        (heard(first_hop=(answer("time_exceeded", sender="10.0.0.1"),)), Ending.PASSES),
        (heard(whole_way=(), first_hop=(answer("time_exceeded"),)), Ending.PASSES),
        # a router may drop in silence, and a firewall may refuse with a RST
        (heard(), Ending.PASSES),
        (heard(first_hop=(answer("rst"),)), Ending.PASSES),
        (heard(whole_way=()), Ending.UNKNOWN),
        # next to the server a hop limit of 1 is enough for everybody
        (heard(direct=True, first_hop=(SYNACK,)), Ending.UNKNOWN),
    ],
)
def test_the_surest_witness_decides(facts: Heard, ending: Ending) -> None:
    judgement = judge(facts)
    assert judgement.ending is ending
    assert judgement.reason


def test_only_what_ends_tcp_is_refused() -> None:
    for ending in (Ending.PASSES, Ending.UNKNOWN):
        require_passing(Judgement(ending=ending, reason="because"), "eth0")
    with pytest.raises(PreflightError, match=r"user-mode network .* of this computer") as caught:
        require_passing(Judgement(ending=Ending.ENDS_HERE, reason="because"), "eth0")
    assert caught.value.exit_code == 3
    assert "vmnet-bridged" in caught.value.hint


class Hop:
    """A first hop that answers by a hop limit."""

    def __init__(self, answers: Mapping[int, list[FirstHopAnswer]]) -> None:
        self.answers = answers
        self.asked: list[FirstHopArguments] = []

    def __call__(self, verb: str, arguments: Mapping[str, Any]) -> object:
        assert verb == "first_hop"
        self.asked.append(arguments)  # type: ignore[arg-type] # checked by the agent
        found = self.answers.get(arguments["hop_limit"], [])
        return {"source": "10.0.2.15", "sent_count": 1, "answers": found}


def examined(hop: Hop, *, address: str = "10.0.2.15/24", seed: int = 1) -> Judgement:
    return examine(
        hop,
        interface="eth0",
        addresses=[address],
        server=SERVER,
        rng=random.Random(seed),  # noqa: S311 - a test
    )


def test_the_first_hop_is_asked_only_when_the_server_has_not_settled_it() -> None:
    settled = Hop({64: [answer("synack", mp_capable=True)]})
    open_question = Hop({64: [SYNACK], FIRST_HOP_ONLY: [SYNACK]})

    assert examined(settled).ending is Ending.PASSES
    assert [a["hop_limit"] for a in settled.asked] == [64]
    assert examined(open_question).ending is Ending.ENDS_HERE
    assert [a["hop_limit"] for a in open_question.asked] == [64, 1]
    assert {a["source"] for a in open_question.asked} == {"10.0.2.15"}
    assert open_question.asked[0]["isn"] != open_question.asked[1]["isn"]


def test_the_two_syns_never_share_a_port(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nat_test, "FIRST_PORT", nat_test.LAST_PORT - 1)
    for seed in range(20):
        hop = Hop({64: [SYNACK], FIRST_HOP_ONLY: [SYNACK]})
        examined(hop, seed=seed)
        assert len({a["source_port"] for a in hop.asked}) == 2


def test_a_server_on_the_same_network_is_no_witness_by_hop_limit() -> None:
    hop = Hop({64: [SYNACK], FIRST_HOP_ONLY: [SYNACK]})
    assert examined(hop, address="198.51.100.7/24").ending is Ending.UNKNOWN
    assert len(hop.asked) == 1


def test_what_leaves_is_watched_only_while_the_syn_is_on_its_way() -> None:
    seen: list[SeenSyn] = []
    watched: list[str] = []

    @contextmanager
    def watching():  # type: ignore[no-untyped-def]  # noqa: ANN202 - a test's own
        watched.append("begins")
        yield seen
        watched.append("ends")

    def ask(_verb: str, arguments: Mapping[str, Any]) -> object:
        if arguments["hop_limit"] != FIRST_HOP_ONLY:
            seen.append(SeenSyn(interface="e", isn=arguments["isn"], options=first_hop.OPTIONS))
        return {"source": "", "sent_count": 1, "answers": []}

    rng = random.Random(1)  # noqa: S311 - a test
    judgement = examine(
        ask, interface="eth0", addresses=[], server=SERVER, rng=rng, watching=watching()
    )

    assert watched == ["begins", "ends"]
    assert judgement.ending is Ending.PASSES


def asking(address: str) -> FirstHopArguments:
    return FirstHopArguments(
        interface="eth0",
        address=address,
        port=80,
        source_port=40000,
        isn=ISN,
        hop_limit=1,
        within_s=1.0,
    )


def packet(version: int) -> bytes:
    """The SYN as it leaves, in its IP packet."""
    address, source = {
        4: ("198.51.100.10", "10.0.0.2"),
        6: ("2001:db8::10", "2001:db8:1::2"),
    }[version]
    segment = first_hop.syn(asking(address), source, version)
    family = socket.AF_INET if version == 4 else socket.AF_INET6
    ends = socket.inet_pton(family, source) + socket.inet_pton(family, address)
    if version == 4:
        return struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(segment), 0, 0, 64, 6, 0) + ends + segment
    return struct.pack("!IHBB", 6 << 28, len(segment), 6, 64) + ends + segment


@pytest.mark.parametrize(("version", "address"), [(4, "198.51.100.10"), (6, "2001:db8::10")])
def test_a_syn_is_recognized_as_it_leaves(version: int, address: str) -> None:
    seen = syn_to(packet(version), (address, 80), interface="eth0")

    assert seen == OWN
    assert syn_to(packet(version), (address, 81), interface="eth0") is None
    assert syn_to(packet(version), ("198.51.100.11", 80), interface="eth0") is None


@given(st.binary(max_size=120), st.sampled_from([4, 6]), st.integers(0, 100))
def test_no_packet_raises(noise: bytes, version: int, cut: int) -> None:
    for data in (noise, packet(version)[:cut], packet(version)[:cut] + noise):
        seen = syn_to(data, ("198.51.100.10", 80), interface="eth0")
        assert seen is None or seen.interface == "eth0"
