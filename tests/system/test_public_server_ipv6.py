"""Runs against public servers over IPv6: beside IPv4, and where there is nothing else."""

from collections.abc import Iterator
from ipaddress import ip_interface
from pathlib import Path

import pytest

from mptcp_check.analysis.capture.capture_file import read
from mptcp_check.analysis.flows.endpoints import source
from system.cli import Said
from system.public_server import public_server
from system.real_site import LAPTOP, SERVER, SERVER6, SSH_PORT, Site, site

pytestmark = pytest.mark.lab

BOTH_FAMILIES = tuple(
    word
    for i in range(2)
    for word in (
        "--iface",
        ",address=".join((f"lan{i}", f"10.88.{i}.20/24", f"fd88:{i}::20/64"))
        + f",gateway=10.88.{i}.1,gateway=fd88:{i}::1",
    )
)
RUN = ("run", "--json", "--machine", "host", *BOTH_FAMILIES)
ASKED = ("run", "--json", "--machine", "host", "--iface", "lan0", "--iface", "lan1")
"""Addresses by DHCP and by what the router advertises."""

LIMIT_S = 1200


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(tmp_path_factory.mktemp("site")) as found, found.six():
        yield found


def sources(said: Said, side: str) -> set[str]:
    """Return who sent anything in a capture."""
    octets = (Path(said.document["directory"]) / "captures" / f"{side}.pcapng").read_bytes()
    packets = read(octets).packets
    return {str(source(packets, n)).rpartition(":")[0] for n in range(len(packets))}


def whole(said: Said) -> None:
    """See that everything was proven by counters, and that both captures are whole."""
    assert said.code == 0, said.err
    exchanges = said.document["exchanges"]
    assert {e["outcome"] for e in exchanges} == {"tcp", "mptcp"}
    assert all(e["proven"] and e["sha256_ok"] for e in exchanges)
    assert said.seen == set()
    assert said.document["integrity"]["troubles"] == []


def test_where_there_is_ipv6_only_everything_runs_over_it(place: Site) -> None:
    with public_server(place, address=SERVER6, listen='["::"]') as server:
        said = place.call("laptop", *ASKED, "--quick", "--apps", "http,ftp", *server.option)

    whole(said)
    document = said.document
    assert document["server"] == f"https://[{SERVER6}]:34380"
    assert {e["family"] for e in document["exchanges"]} == {"ipv6"}
    assert [e["transport"] for e in document["exchanges"]] == ["tcp", "mptcp"] * 3
    assert all(e["subflows"] == 2 for e in document["exchanges"] if e["transport"] == "mptcp")
    joints = document["joints"]["client"]
    own = {ip_interface(a) for joint in joints for a in joint["addresses"]}
    assert {str(a.network) for a in own if a.version == 6} == {"fd88::/64", "fd88:1::/64"}
    ends = {f"[{a.ip}]" for a in own if a.version == 6} | {f"[{SERVER6}]"}
    for side in ("client", "server"):
        assert sources(said, side) == ends
    assert any("nothing ran over IPv4" in note for note in document["notes"])


@pytest.mark.slow
def test_conditions_and_a_handover_over_ipv6_alone(place: Site) -> None:
    with public_server(place, address=SERVER6, listen='["::"]') as server:
        said = place.call("laptop", *RUN, "--apps", "http", *server.option, limit_s=LIMIT_S)

    assert said.code == 0, said.err
    exchanges = said.document["exchanges"]
    assert {e["family"] for e in exchanges} == {"ipv6"}
    assert all(e["proven"] for e in exchanges if not e["handover"])
    handed = [e for e in exchanges if e["handover"] and e["transport"] == "mptcp"]
    assert handed
    assert {e["outcome"] for e in handed} == {"mptcp"}
    assert all(e["handover"]["other_paths_bytes"] > 1_000_000 for e in handed)
    assert said.seen == set()


@pytest.mark.slow
@pytest.mark.parametrize("words", [("--apps", "http"), ("--full", "--apps", "ftp")])
def test_a_server_of_both_families_is_measured_over_both(
    place: Site, words: tuple[str, ...]
) -> None:
    # its address names one of them: the other is what its operator says
    public = f'public = ["{SERVER}", "{SERVER6}"]'
    with public_server(place, listen='["0.0.0.0", "::"]', services=public) as server:
        said = place.call("laptop", *RUN, *words, *server.option, limit_s=LIMIT_S)

    whole(said)
    exchanges = said.document["exchanges"]
    for family in ("ipv4", "ipv6"):
        ran = [e for e in exchanges if e["family"] == family]
        assert {e["transport"] for e in ran} == {"tcp", "mptcp"}
        assert max(e["subflows"] for e in ran if e["transport"] == "mptcp") == 2
    for side in ("client", "server"):
        ends = {"10.88.0.20", "10.88.1.20", SERVER}
        assert sources(said, side) == ends | {"[fd88::20]", "[fd88:1::20]", f"[{SERVER6}]"}


@pytest.mark.slow
def test_a_box_by_ssh_measures_over_the_families_that_it_has(place: Site) -> None:
    public = f'public = ["{SERVER}", "{SERVER6}"]'
    machine = ("--machine", f"ssh:{LAPTOP}:{SSH_PORT}")
    with public_server(place, listen='["0.0.0.0", "::"]', services=public) as server:
        command = ("run", "--json", "--apps", "http", *machine, *server.option)
        said = place.call("desk", *command, limit_s=LIMIT_S)

    whole(said)
    six = [e for e in said.document["exchanges"] if e["family"] == "ipv6"]
    assert {e["transport"] for e in six} == {"tcp", "mptcp"}
    ends = {LAPTOP, "10.88.1.10", SERVER, "[fd88::10]", "[fd88:1::10]", f"[{SERVER6}]"}
    assert sources(said, "client") == sources(said, "server") == ends


@pytest.mark.slow
def test_a_machine_on_a_bridge_takes_the_ipv6_that_a_router_advertises(place: Site) -> None:
    public = f'public = ["{SERVER}", "{SERVER6}"]'
    with (
        public_server(place, listen='["0.0.0.0", "::"]', services=public) as server,
        place.bridges() as bridges,
    ):
        wanted = [word for bridge in bridges for word in ("--iface", bridge)]
        command = ("run", "--json", "--apps", "http", "--machine", "qemu", *wanted)
        said = place.call("laptop", *command, *server.option, limit_s=LIMIT_S)

    assert said.code == 0, said.err
    six = [e for e in said.document["exchanges"] if e["family"] == "ipv6"]
    assert {e["outcome"] for e in six} == {"tcp", "mptcp"}
    assert all(e["proven"] and e["sha256_ok"] for e in six)
    assert max(e["subflows"] for e in six) == 2
    assert said.seen == set()
    assert said.document["integrity"]["troubles"] == []
