import pytest

from mptcp_check.analysis.reporting.summary import Item, sentences
from mptcp_check.model import Outcome

SYN, ALTERED, NAT = "mp_capable_removed_from_syn", "payload_altered", "address_translated"


def item(outcome: Outcome, *behaviours: str, port: int = 80, paths: int = 2) -> Item:
    return Item(outcome=outcome, port=port, behaviours=frozenset(behaviours), paths=paths)


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        pytest.param([], ["Nothing was measured: nothing tried to use Multipath TCP."], id="none"),
        pytest.param(
            [item(Outcome.MPTCP)] * 24,
            [
                (
                    "Multipath TCP worked on both paths in all 24 exchanges; the path changed"
                    " nothing that this version looks for."
                ),
            ],
            id="clean",
        ),
        pytest.param(
            [item(Outcome.MPTCP, NAT, paths=1)] * 2,
            [
                (
                    "Multipath TCP worked in all 2 exchanges; the path only translated addresses or"
                    " ports."
                ),
            ],
            id="behind a NAT",
        ),
        pytest.param(
            [item(Outcome.MPTCP, NAT, "ttl_altered", "mss_clamped", paths=1)],
            [
                (
                    "Multipath TCP worked in the only exchange; the path only translated addresses"
                    " or ports, lowered the maximum segment size and set the TTL anew."
                ),
            ],
            id="three harmless things",
        ),
        pytest.param(
            [item(Outcome.HUNG, "ttl_altered")],
            ["The only exchange hung, and the rules of this version do not say why."],
            id="a harmless thing explains no failure",
        ),
        pytest.param(
            [item(Outcome.FELL_BACK_AT_HANDSHAKE, SYN)] * 12,
            [
                (
                    "Between the two machines something removed MP_CAPABLE from the SYN, so all 12"
                    " exchanges fell back to plain TCP; the data arrived whole."
                ),
            ],
            id="all fell back",
        ),
        pytest.param(
            [item(Outcome.FELL_BACK_AT_HANDSHAKE, SYN), item(Outcome.MPTCP, port=443)],
            [
                (
                    "Between the two machines something removed MP_CAPABLE from the SYN, so 1 of 2"
                    " exchanges fell back to plain TCP; the data arrived whole."
                ),
                "This concerns port 80.",
                "Port 443 is clean.",
            ],
            id="one port of two",
        ),
        pytest.param(
            [item(Outcome.CORRUPTED, ALTERED), item(Outcome.FELL_BACK_AT_HANDSHAKE, SYN)],
            [
                (
                    "Between the two machines something changed the data itself: 1 of 2 exchanges"
                    " delivered wrong bytes."
                ),
                (
                    "Between the two machines something removed MP_CAPABLE from the SYN, so 1 of 2"
                    " exchanges fell back to plain TCP; the data arrived whole."
                ),
            ],
            id="the worst news first",
        ),
        pytest.param(
            [item(Outcome.MPTCP_DEGRADED, "mp_join_removed")],
            [
                (
                    "Between the two machines something removed MP_JOIN from the handshake of a"
                    " further subflow, so the only exchange went on with fewer paths; the data"
                    " arrived whole."
                ),
            ],
            id="a path less",
        ),
        pytest.param(
            [item(Outcome.MPTCP, ALTERED), item(Outcome.MPTCP)],
            [
                (
                    "Between the two machines something changed the data itself, seen in 1 of 2"
                    " exchanges."
                ),
            ],
            id="repaired",
        ),
        pytest.param(
            [item(Outcome.HUNG), item(Outcome.UNREACHABLE), item(Outcome.NOT_MEASURED)],
            [
                "1 of 3 exchanges hung, and the rules of this version do not say why.",
                (
                    "1 of 3 exchanges failed over plain TCP as well: that is not Multipath TCP's"
                    " fault."
                ),
                "1 of 3 exchanges could not be measured.",
            ],
            id="no cause",
        ),
    ],
)
def test_a_person_reads_what_happened(items: list[Item], expected: list[str]) -> None:
    assert list(sentences(items, "exchange")) == expected
