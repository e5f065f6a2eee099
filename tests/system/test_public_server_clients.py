"""Runs against a public measurement server by every other client than this computer's own kernel.

A machine of ours, a box that ssh reaches; Vagrant's machine is in `test_vagrant`.
"""

from contextlib import nullcontext
from pathlib import Path

import pytest

from mptcp_check.analysis.capture.capture_file import read
from system.cli import Said
from system.public_server import PublicServer
from system.real_site import LAPTOP, SSH_PORT, Site

pytestmark = pytest.mark.lab

RUN = ("run", "--json", "--quick")


def whole(said: Said) -> None:
    """See that a run over both networks proved everything and blames nobody."""
    assert said.code == 0, said.err
    document = said.document
    exchanges = document["exchanges"]
    assert {e["outcome"] for e in exchanges} == {"tcp", "mptcp"}
    assert all(e["proven"] and e["sha256_ok"] for e in exchanges)
    assert all(e["subflows"] == 2 for e in exchanges if e["transport"] == "mptcp")
    assert said.seen == set()
    assert document["integrity"]["troubles"] == []
    for side in ("client", "server"):
        capture = read((Path(document["directory"]) / "captures" / f"{side}.pcapng").read_bytes())
        assert {int(port) for port in capture.packets.dst_port} >= {80, 21}


def test_a_box_that_ssh_reaches_measures_against_a_public_server(
    place: Site, server: PublicServer
) -> None:
    machine = ("--machine", f"ssh:{LAPTOP}:{SSH_PORT}")
    said = place.call("desk", *RUN, "--apps", "http,ftp", *machine, *server.option)

    whole(said)
    assert [j["attached"] for j in said.document["joints"]["client"]] == ["own", "own"]


def test_a_machine_bridged_to_two_networks_measures_against_a_public_server(
    place: Site, server: PublicServer
) -> None:
    with place.bridges() as bridges:
        wanted = [word for bridge in bridges for word in ("--iface", bridge)]
        machine = ("--machine", "qemu", *wanted)
        said = place.call("laptop", *RUN, "--apps", "http,ftp", *machine, *server.option)

    whole(said)
    document = said.document
    assert (document["machine"], document["network"]) == ("qemu", "bridged")
    assert [j["parent"] for j in document["joints"]["client"]] == list(bridges)
    passed = "the machine's own TCP leaves this computer (the server answered with MP_CAPABLE)"
    assert {f"by eth{n} {passed}" for n in range(2)} <= set(document["notes"])


@pytest.mark.slow
@pytest.mark.parametrize("client", ["a machine of ours", "a box by ssh"])
def test_what_a_box_took_away_is_claimed_from_that_clients_capture(
    place: Site, server: PublicServer, client: str
) -> None:
    # a join without its option says neither marker nor token: only the client's capture knows it
    with place.bridges() if client == "a machine of ours" else nullcontext() as bridges:
        wanted = [word for bridge in bridges or () for word in ("--iface", bridge)]
        machine = ("qemu", *wanted) if bridges else (f"ssh:{LAPTOP}:{SSH_PORT}",)
        role = "laptop" if bridges else "desk"
        place.strip("lan1", "tcp dport 80 tcp flags & (syn|ack) == syn reset tcp option mptcp")
        try:
            said = place.call(role, *RUN, "--apps", "http", "--machine", *machine, *server.option)
        finally:
            place.clear()

    assert said.code == 0, said.err
    assert said.seen == {"mp_join_removed"}
    assert said.document["integrity"]["troubles"] == []
    outcomes = {e["outcome"] for e in said.document["exchanges"] if e["transport"] == "mptcp"}
    assert outcomes == {"mptcp_degraded"}
