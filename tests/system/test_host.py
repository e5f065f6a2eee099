"""A real network, measured without a machine: this computer's kernel, or a box that ssh reaches."""

import html
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from mptcp_check.machines import hardware
from system.cli import Said, wait_until
from system.host_traces import (
    BOTH,
    HTTP,
    QUICK,
    TO_SERVER,
    Settings,
    agents,
    left_by_us,
    settings_of,
)
from system.real_site import LAPTOP, SSH_PORT, Site

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("earlier")]


def ftp_modes(document: dict[str, Any]) -> set[str | None]:
    return {e["mode"] for e in document["exchanges"] if e["app"] == "ftp"}


@pytest.fixture(scope="module")
def clean(place: Site, before: Settings) -> Said:
    del before
    return place.call("laptop", *QUICK, *BOTH, *TO_SERVER)


def test_doctor_finds_the_box_before_a_run_does(place: Site) -> None:
    said = place.call("laptop", "doctor", "--json", "--iface", "lan0", *TO_SERVER)
    found = {c["name"]: c for c in said.document["checks"]}

    assert found["Server"]["status"] == "PASS", found["Server"]
    assert "the agent can be root there" in found["Server"]["detail"]
    assert found["Attach to lan0"]["status"] == "PASS"


def test_web_and_ftp_run_over_two_real_networks(clean: Said) -> None:
    assert clean.code == 0, clean.err
    exchanges = clean.document["exchanges"]

    assert [e["outcome"] for e in exchanges] == ["tcp", "mptcp"] * 4
    assert {(e["app"], e["port"]) for e in exchanges} == {("http", 80), ("https", 443), ("ftp", 21)}
    assert all(e["subflows"] == 2 for e in exchanges if e["transport"] == "mptcp")
    assert all(e["proven"] and e["sha256_ok"] for e in exchanges)


def test_a_real_network_that_does_nothing_is_accused_of_nothing(clean: Said) -> None:
    assert clean.seen == set()
    assert clean.document["integrity"]["troubles"] == []


def test_the_report_says_which_network_it_was_and_how_it_was_joined(clean: Said) -> None:
    document = clean.document
    joints = [(j["parent"], j["attached"]) for j in document["joints"]["client"]]
    page = html.unescape((Path(document["directory"]) / "report.html").read_text())

    assert (document["machine"], document["network"]) == ("host", "bridged")
    assert joints == [("lan0", "macvlan"), ("lan1", "macvlan")]
    for text in (page, " ".join(clean.err.split())):
        assert "the real network between this computer's own kernel, joined to lan0" in text
        assert "not the network you are on" not in text
    assert "wire_agreement" not in document["provenance"]


def test_a_stored_run_of_a_real_network_is_judged_the_same_again(place: Site, clean: Said) -> None:
    again = place.call("laptop", "report", clean.document["directory"], "--rejudge", "--json")

    assert again.code == 0, again.err
    assert again.document == clean.document["report"]


def test_laptop_and_server_are_as_they_were_before(
    place: Site, before: Settings, clean: Said, earlier: list[Path]
) -> None:
    assert clean.code == 0
    assert settings_of(place) == before
    assert agents(place) == []
    assert left_by_us(earlier) == []


def test_a_router_that_strips_one_port_is_named_with_that_port(place: Site) -> None:
    place.strip("lan0", "tcp dport 8081 tcp flags & (syn|ack) == syn reset tcp option mptcp")
    try:
        server = (*TO_SERVER[:-1], f"{TO_SERVER[-1]},http=8081")
        said = place.call("laptop", *QUICK, *BOTH, *server, "--fail-on", "interference")
    finally:
        place.clear()

    assert said.code == 1, said.err
    document = said.document
    assert said.seen == {"mp_capable_removed_from_syn"}
    fell_back = {e["port"] for e in document["exchanges"] if "fell_back" in e["outcome"]}
    assert fell_back == {8081}
    assert "This concerns port 8081." in document["summary"]
    assert "Ports 21 and 443 are clean." in document["summary"]


def test_a_box_that_ssh_reaches_measures_with_its_own_network(
    place: Site, before: Settings, earlier: list[Path]
) -> None:
    machine = ("--machine", f"ssh:{LAPTOP}:{SSH_PORT}")
    said = place.call("desk", *QUICK, *machine, *TO_SERVER)

    assert said.code == 0, said.err
    document = said.document
    assert [e["outcome"] for e in document["exchanges"]] == ["tcp", "mptcp"] * 4
    assert all(e["subflows"] == 2 for e in document["exchanges"] if e["transport"] == "mptcp")
    assert [j["attached"] for j in document["joints"]["client"]] == ["own", "own"]
    assert settings_of(place) == before
    assert agents(place) == []
    assert left_by_us(earlier) == []


@pytest.mark.slow
def test_a_machine_bridged_to_two_networks_measures_them(place: Site) -> None:
    with place.bridges() as bridges:
        wanted = [word for bridge in bridges for word in ("--iface", bridge)]
        said = place.call("laptop", *QUICK, "--machine", "qemu", *wanted, *TO_SERVER)

        assert said.code == 0, said.err
        document = said.document
        joints = [(j["parent"], j["attached"]) for j in document["joints"]["client"]]
        assert (document["machine"], document["network"]) == ("qemu", "bridged")
        assert joints == [(bridge, "bridge") for bridge in bridges]
        assert [e["outcome"] for e in document["exchanges"]] == ["tcp", "mptcp"] * 4
        assert all(e["subflows"] == 2 for e in document["exchanges"] if e["transport"] == "mptcp")
        assert said.seen == set()
        passed = "the machine's own TCP leaves this computer (the server answered with MP_CAPABLE)"
        assert {f"by eth{n} {passed}" for n in range(2)} <= set(document["notes"])
        links = place.run("laptop", "ip", "-br", "link")
    assert "mptcp-" not in links
    assert agents(place) == []


USER_MODE_QEMU = """\
#!{python} -I
import os, re, sys
swapped = [re.sub(r"^tap,.*,id=", "user,id=", word) for word in sys.argv[1:]]
os.execv({qemu!r}, [{qemu!r}, *swapped])
"""
"""A hypervisor whose machines are never on the network, whatever it is told."""


def test_a_hypervisor_that_ends_tcp_itself_is_refused_with_the_way_out(
    place: Site, tmp_path: Path
) -> None:
    real = shutil.which(hardware.here().program)
    assert real is not None
    wrapper = tmp_path / hardware.here().program
    wrapper.write_text(USER_MODE_QEMU.format(python=sys.executable, qemu=real))
    wrapper.chmod(0o755)
    out = tmp_path / "run"
    with place.bridges() as bridges:
        before = place.run("laptop", "ip", "-br", "link")
        said = place.call(
            "laptop", *HTTP, "--machine", "qemu", "--iface", bridges[0], *TO_SERVER,
            "--out", str(out),
            path=f"{tmp_path}{os.pathsep}{os.environ['PATH']}",
        )  # fmt: skip
        after = place.run("laptop", "ip", "-br", "link")

    assert said.code == 3, said.err
    assert "the machine is not really on the network of br0 (bridge): a user-mode" in said.one_line
    assert "join the machine to the network itself" in " ".join(said.err.split())
    assert after == before
    assert not out.exists()
    assert wait_until(lambda: not agents(place))


@pytest.mark.slow
def test_a_box_that_ssh_reaches_can_measure_in_a_namespace(place: Site, before: Settings) -> None:
    machine = ("--machine", f"ssh:{LAPTOP}:{SSH_PORT}", "--iface", "lan1")
    said = place.call("desk", *HTTP, *machine, *TO_SERVER)

    assert said.code == 0, said.err
    document = said.document
    # one network, two addresses on it: a second subflow has somewhere to come from
    assert [e["subflows"] for e in document["exchanges"]] == [1, 2, 1, 2]
    assert settings_of(place) == before
    assert agents(place) == []


@pytest.mark.slow
def test_a_routed_client_says_that_it_was_translated(place: Site, before: Settings) -> None:
    said = place.call(
        "laptop", "run", "--json", "--machine", "host", "--iface", "lan1,routed", *TO_SERVER
    )

    assert said.code == 0, said.err
    document = said.document
    assert document["network"] == "routed"
    assert said.seen == {"address_translated"}
    assert ftp_modes(document) == {"passive"}
    assert any("active mode was left out" in note for note in document["notes"])
    assert {e["outcome"] for e in document["exchanges"]} == {"tcp", "mptcp"}
    assert settings_of(place) == before


@pytest.mark.slow
def test_every_exchange_of_the_default_plan_works_with_addresses_of_the_users_own(
    place: Site,
) -> None:
    static = [f"lan{i},address=10.88.{i}.20/24,gateway=10.88.{i}.1" for i in range(2)]
    said = place.call(
        "laptop", "run", "--json", "--machine", "host",
        "--iface", static[0], "--iface", static[1], *TO_SERVER,
    )  # fmt: skip

    assert said.code == 0, said.err
    document = said.document
    addresses = [j["addresses"] for j in document["joints"]["client"]]
    assert addresses == [["10.88.0.20/24"], ["10.88.1.20/24"]]
    assert ftp_modes(document) == {"active", "passive"}
    assert {e["outcome"] for e in document["exchanges"]} == {"tcp", "mptcp"}
    assert said.seen == set()
