"""A real network, measured without a machine: this computer's kernel, or a box that ssh reaches."""

import contextlib
import html
import json
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from mptcp_check.machines import hardware
from system.cli import Said, wait_for_line, wait_until
from system.real_site import LAPTOP, LIMIT_S, ODD_PORT, SERVER, SSH_PORT, Site, run

pytestmark = pytest.mark.lab

TO_SERVER = ("--server", f"ssh:{SERVER}:{SSH_PORT}")
BOTH = ("--machine", "host", "--iface", "lan0", "--iface", "lan1")
QUICK = ("run", "--quick", "--json")
HTTP = (*QUICK, "--apps", "http")

Settings = dict[str, str]


def settings(place: Site) -> Settings:
    """Return all of laptop and server that a run may change."""
    found = {}
    for role in ("laptop", "server"):
        for command in (
            ("sysctl", "-a", "--pattern", r"^net\.(mptcp|ipv4\.(ip_forward|conf))"),
            ("ip", "mptcp", "limits"),
            ("ip", "mptcp", "endpoint"),
            ("ip", "-br", "link"),
            ("ip", "rule"),
            ("ip", "-4", "route", "show", "table", "all"),
            ("nft", "list", "ruleset"),
        ):
            found[f"{role} {' '.join(command)}"] = place.run(role, *command)
        for interface in ("lan0", "lan1") if role == "laptop" else ("eth0",):
            found[f"{role} {interface}"] = place.run(role, "ethtool", "-k", interface)
    return found


def agents(place: Site) -> list[str]:
    """Return the command lines of what a run started in the site."""
    found = []
    for role in ("laptop", "server", "desk"):
        for pid in run("ip", "netns", "pids", place.name(role)).split():
            try:
                line = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
            if any(word in line for word in (".pyz", "nginx", "pure-ftpd", "tcpdump", "udhcpc")):
                found.append(line)
    return found


def folders() -> list[Path]:
    """Return the folders of agents on this computer, whoever's they are."""
    work = Path("/run/mptcp-check")
    pushed = Path("/tmp").glob("mptcp-check-" + "?" * 16)  # noqa: S108 - the product's place
    return [*work.glob("*"), *pushed]


@pytest.fixture(scope="module", autouse=True)
def earlier() -> list[Path]:
    """Return what was there before: what somebody else's killed run left, it may be."""
    return folders()


def left_by_us(earlier: list[Path]) -> list[Path]:
    """Return the folders that a run left which is over; those of runs beside it go with these."""
    found = [path for path in folders() if path not in earlier]
    wait_until(lambda: not any(path.exists() for path in found))
    return [path for path in found if path.exists()]


def seen(document: dict[str, Any]) -> set[str]:
    return {f["behaviour"] for f in document["report"]["findings"] if f["state"] == "seen"}


def ftp_modes(document: dict[str, Any]) -> set[str | None]:
    return {e["mode"] for e in document["exchanges"] if e["app"] == "ftp"}


@pytest.fixture(scope="module")
def before(place: Site) -> Settings:
    # the server has path manager settings of its own, which must come back
    place.run("server", "ip", "mptcp", "limits", "set", "subflow", "3", "add_addr_accepted", "1")
    place.run(
        "server", "ip", "mptcp", "endpoint", "add", SERVER, "dev", "eth0", "id", "7", "signal"
    )
    return settings(place)


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
    assert seen(clean.document) == set()
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
    assert settings(place) == before
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
    assert seen(document) == {"mp_capable_removed_from_syn"}
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
    assert settings(place) == before
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
        assert seen(document) == set()
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

    assert said.code == PREFLIGHT, said.err
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
    assert settings(place) == before
    assert agents(place) == []


@pytest.mark.slow
def test_a_routed_client_says_that_it_was_translated(place: Site, before: Settings) -> None:
    said = place.call(
        "laptop", "run", "--json", "--machine", "host", "--iface", "lan1,routed", *TO_SERVER
    )

    assert said.code == 0, said.err
    document = said.document
    assert document["network"] == "routed"
    assert seen(document) == {"address_translated"}
    assert ftp_modes(document) == {"passive"}
    assert any("active mode was left out" in note for note in document["notes"])
    assert {e["outcome"] for e in document["exchanges"]} == {"tcp", "mptcp"}
    assert settings(place) == before


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
    assert seen(document) == set()


USAGE, PREFLIGHT, MACHINE, UNREACHABLE = 2, 3, 4, 5


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--machine", "host", "--iface", "lan9", *TO_SERVER), USAGE, "interface 'lan9'"),
        ((*BOTH, "--server", f"ssh:{SERVER}:2299"), UNREACHABLE, "Connection refused"),
        (
            ("--machine", f"ssh:{LAPTOP}:2299", *TO_SERVER),
            MACHINE,
            "cannot be reached by ssh: ",
        ),
    ],
)
def test_what_cannot_be_is_one_line_and_its_exit_code(
    place: Site,
    before: Settings,
    earlier: list[Path],
    *,
    arguments: tuple[str, ...],
    code: int,
    message: str,
) -> None:
    said = place.call("laptop", *HTTP, *arguments)

    assert said.code == code, said.err
    assert message in said.one_line + said.err
    assert settings(place) == before
    assert (agents(place), left_by_us(earlier)) == ([], [])


SOMEBODY = str(20_000 + os.getpid() % 40_000)
"""A user without rights, who can read this program wherever it is installed; our own."""
AS_SOMEBODY = (
    *("setpriv", "--reuid", SOMEBODY, "--regid", SOMEBODY, "--clear-groups"),
    *("--inh-caps", "-all,+dac_read_search", "--ambient-caps", "-all,+dac_read_search"),
    *("--securebits", "+no_setuid_fixup"),  # access(2) knows that right as well
)


def test_a_user_without_rights_is_told_what_the_own_kernel_needs(
    place: Site, before: Settings, earlier: list[Path]
) -> None:
    work = Path(f"/tmp/mptcp-check-{SOMEBODY}")  # noqa: S108 - the product's place
    with tempfile.TemporaryDirectory() as home:
        os.chown(home, int(SOMEBODY), int(SOMEBODY))
        try:
            said = place.call("laptop", *HTTP, *BOTH, *TO_SERVER, home=Path(home), by=AS_SOMEBODY)
            left = [p for p in work.iterdir() if p.is_dir()]
        finally:
            shutil.rmtree(work, ignore_errors=True)
        runs = list(Path(home).glob(".local/share/mptcp-check/runs/*"))

    assert said.code == PREFLIGHT, said.err
    assert "--machine host makes a network namespace and captures packets, which needs root" in (
        said.one_line
    )
    assert "start it with sudo" in said.err
    assert (left, runs) == ([], [])
    assert settings(place) == before
    assert (agents(place), left_by_us(earlier)) == ([], [])


def test_a_host_key_that_is_not_known_is_refused(place: Site) -> None:
    known = place.home / ".ssh" / "known_hosts"
    known.write_text("")
    try:
        said = place.call("laptop", *HTTP, *BOTH, *TO_SERVER)
    finally:
        place.trust()

    assert said.code == PREFLIGHT
    assert f"the host key of {SERVER}:{SSH_PORT} is not known" in said.one_line
    assert known.read_text().count(SERVER) == 3


def test_another_host_key_than_the_known_one_is_refused(place: Site) -> None:
    place.trust(key_of=place.home / ".ssh" / "id_ed25519.pub")
    try:
        said = place.call("laptop", *HTTP, *BOTH, *TO_SERVER)
    finally:
        place.trust()

    assert said.code == PREFLIGHT
    assert "has another host key than the one that is known" in said.one_line


BOX = f"{SERVER}:{ODD_PORT}"


@pytest.mark.parametrize(
    ("python", "message"),
    [
        (None, f"{BOX} has no python3"),
        ([0, [3, 11], "linux", False], f"the kernel of {BOX} has no Multipath TCP"),
        ([1000, [3, 11], "linux", True], f"you are not root on {BOX}"),
    ],
)
def test_a_box_that_cannot_serve_says_why(place: Site, python: object, message: str) -> None:
    if python is None:
        (place.odd / "python3").unlink(missing_ok=True)
    else:
        place.says("python3", json.dumps(python))
    said = place.call("laptop", *HTTP, *BOTH, "--server", f"ssh:{BOX}")

    assert said.code == PREFLIGHT, said.err
    assert message in said.one_line


def test_a_port_that_is_taken_is_named(place: Site) -> None:
    said = place.call("laptop", *HTTP, *BOTH, "--server", f"{TO_SERVER[-1]},http={SSH_PORT}")

    assert said.code == UNREACHABLE
    assert f"port {SSH_PORT} for http is taken on the server" in said.one_line


def test_an_interface_that_goes_away_in_mid_run_ends_the_run(
    place: Site, earlier: list[Path]
) -> None:
    place.run("laptop", "ip", "link", "add", "lan7", "type", "veth", "peer", "name", "far7")
    place.run("laptop", "ip", "link", "set", "far7", "up")
    place.run("laptop", "ip", "link", "set", "lan7", "up")
    wanted = ("--iface", "lan0", "--iface", "lan7,address=10.88.7.2/24")
    arguments = ("run", "--apps", "http", "--machine", "host", *wanted, *TO_SERVER)
    child = place.start("laptop", *arguments)
    try:
        wait_for_line(child, " 1/")
        place.run("laptop", "ip", "link", "del", "lan7")
        _, words = child.communicate(timeout=LIMIT_S)
    finally:
        child.kill()
        child.wait()

    assert child.returncode == MACHINE, words
    assert "lan7 of this computer went away in mid-run" in words
    assert "Traceback" not in words
    assert wait_until(lambda: not agents(place))
    assert left_by_us(earlier) == []


def test_kill_9_leaves_nothing_on_either_side(
    place: Site, before: Settings, earlier: list[Path]
) -> None:
    child = place.start("laptop", "run", *BOTH, *TO_SERVER)
    try:
        wait_for_line(child, " 2/")
        assert agents(place) != []
        child.send_signal(signal.SIGKILL)
        child.wait(timeout=LIMIT_S)
        assert child.stderr is not None
        child.stderr.close()
    finally:
        child.kill()
        child.wait()

    assert wait_until(lambda: not agents(place)), agents(place)
    assert wait_until(lambda: settings(place) == before)
    assert left_by_us(earlier) == []


@pytest.mark.slow
def test_what_a_killed_agent_left_is_put_back_by_the_next_run(
    place: Site, before: Settings, earlier: list[Path]
) -> None:
    routed = ("--machine", "host", "--iface", "lan1,routed", *TO_SERVER)
    child = place.start("laptop", "run", *routed)
    try:
        wait_for_line(child, "1/")
        for pid in run("ip", "netns", "pids", place.name("laptop")).split():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # some end meanwhile
                if b"unshare" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    os.kill(int(pid), signal.SIGKILL)
        _, words = child.communicate(timeout=LIMIT_S)
    finally:
        child.kill()
        child.wait()
    assert child.returncode == MACHINE, words
    assert "the agent on this computer ended" in words
    assert "mptcp_check_" in place.run("laptop", "nft", "list", "ruleset")

    said = place.call("laptop", *HTTP, *routed)

    assert said.code == 0, said.err
    assert settings(place) == before
    assert (agents(place), left_by_us(earlier)) == ([], [])
