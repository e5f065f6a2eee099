"""Each box in front of a real kernel is named from the two captures, and nothing else is."""

import random

import pytest

from golden.diagnosed import CLEAN
from lab.lines import line
from lab.network import Observation, lab
from lab.topology import SERVER_IPV4, SERVER_IPV6
from mptcp_check.analysis.capture.capture_file import read
from mptcp_check.analysis.diagnose import Diagnosis, diagnose
from mptcp_check.middleboxes import registry
from mptcp_check.middleboxes.chain import Chain
from mptcp_check.model import Direction, Outcome, Side, State, Transfer

pytestmark = pytest.mark.lab

# the matrix plays every behaviour; these show in any download, whatever is around them
DIRECTIONS = {
    "mp_capable_removed_from_syn": Direction.C2S,
    "mp_capable_removed_from_synack": Direction.S2C,
    "mp_capable_syn_dropped": Direction.C2S,
    "mp_join_removed": Direction.C2S,
    "payload_altered": Direction.S2C,
    "address_translated": Direction.BOTH,
}
OUTCOMES = {
    CLEAN: Outcome.MPTCP,
    "mp_capable_removed_from_syn": Outcome.FELL_BACK_AT_HANDSHAKE,
    "mp_capable_removed_from_synack": Outcome.FELL_BACK_AT_HANDSHAKE,
    "mp_capable_syn_dropped": Outcome.FELL_BACK_AT_HANDSHAKE,
    "mp_join_removed": Outcome.MPTCP_DEGRADED,
    "address_translated": Outcome.MPTCP,
}


def observed(
    behaviour: str,
    *,
    checksum: bool = False,
    address: str = SERVER_IPV4,
    direction: Transfer = Transfer.DOWNLOAD,
) -> Observation:
    # a kernel that finds a checksum wrong delivers no more, and nobody has to wait for that
    deadline_s = 4 if checksum and behaviour == "payload_altered" else 10
    names = [] if behaviour == CLEAN else [behaviour]
    chains = [
        Chain(
            [
                *(registry.build(n, link_index=i, rng=random.Random(i)) for n in names),  # noqa: S311 - reproducible
                line(),
            ]
        )
        for i in (0, 1)
    ]
    with lab(chains, checksum=checksum) as network:
        return network.observe(address=address, direction=direction, deadline_s=deadline_s)


def judged(seen: Observation) -> Diagnosis:
    client, server = (read(seen.pcapng(side)) for side in Side)
    return diagnose(client, server)


@pytest.mark.parametrize("address", [SERVER_IPV4, SERVER_IPV6])
@pytest.mark.parametrize("checksum", [False, True])
@pytest.mark.parametrize("behaviour", sorted(DIRECTIONS))
def test_a_box_is_named_and_nothing_else(
    behaviour: str,
    address: str,
    *,
    checksum: bool,
) -> None:
    found = judged(observed(behaviour, checksum=checksum, address=address))

    assert {cause.behaviour for cause in found.causes} == {behaviour}
    assert {cause.direction for cause in found.causes} == {DIRECTIONS[behaviour]}
    assert all(len({e.side for e in cause.evidence}) == len(Side) for cause in found.causes)


@pytest.mark.parametrize("behaviour", sorted(OUTCOMES))
def test_the_packets_tell_what_became_of_the_connection(behaviour: str) -> None:
    found = judged(observed(behaviour))

    assert [judgement.outcome for judgement in found.outcomes] == [OUTCOMES[behaviour]]


@pytest.mark.parametrize("address", [SERVER_IPV4, SERVER_IPV6])
@pytest.mark.parametrize("checksum", [False, True])
@pytest.mark.parametrize("direction", list(Transfer))
def test_a_clean_path_is_clean(address: str, direction: Transfer, *, checksum: bool) -> None:
    seen = observed(CLEAN, checksum=checksum, address=address, direction=direction)
    found = judged(seen)

    assert found.causes == ()
    assert found.problems == ()
    assert seen.transferred.whole
    assert {f.state for f in found.findings if f.behaviour in DIRECTIONS} == {State.NOT_SEEN}
