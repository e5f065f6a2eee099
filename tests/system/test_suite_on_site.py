"""The whole suite of one application on a real network of namespaces."""

import pytest

from system.real_site import SERVER, SSH_PORT, Site

pytestmark = pytest.mark.lab

FULL_LIMIT_S = 1800
"""On a busy computer of two cores."""


@pytest.mark.slow
def test_handovers_on_a_real_network_take_the_clients_own_cards_and_give_them_back(
    place: Site,
) -> None:
    routes = ("ip", "-4", "route", "show", "table", "all")
    # between namespaces a transfer is over in no time; these are home lines
    for role, interface in (("server", "eth0"), ("laptop", "lan0"), ("laptop", "lan1")):
        place.run(
            role, "tc", "qdisc", "replace", "dev", interface, "root", "tbf",
            "rate", "50mbit", "burst", "64kb", "limit", "1mb",
        )  # fmt: skip
    before = place.run("laptop", *routes)
    said = place.call(
        "laptop", "run", "--full", "--apps", "http", "--json", "--machine", "host",
        "--iface", "lan0", "--iface", "lan1", "--server", f"ssh:{SERVER}:{SSH_PORT}",
        limit_s=FULL_LIMIT_S,
    )  # fmt: skip

    assert said.code == 0, said.err
    document = said.document
    handed = [e for e in document["exchanges"] if e["handover"]]
    assert {e["handover"]["upset"] for e in handed} == {"interface_down", "address_removed"}
    for exchange in handed:
        assert exchange["handover"]["done"], exchange["tries"]
        if exchange["transport"] == "mptcp":
            assert exchange["outcome"] == "mptcp", exchange["because"]
            assert exchange["handover"]["other_paths_bytes"] > 1_000_000
    findings = document["report"]["findings"]
    assert {f["behaviour"] for f in findings if f["state"] == "seen"} == set()
    assert {e["outcome"] for e in handed} <= {"tcp", "tcp_broke", "mptcp"}
    # on a busy computer a short transfer between namespaces can be over before its second subflow
    outcomes = {e["outcome"] for e in document["exchanges"] if not e["handover"]}
    assert outcomes <= {"tcp", "mptcp", "mptcp_degraded", "unstable"}
    assert any("no path was made to lose everything" in note for note in document["notes"])
    assert any("the server announced no further address" in note for note in document["notes"])
    assert place.run("laptop", *routes) == before
