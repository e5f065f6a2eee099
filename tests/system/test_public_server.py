"""Runs against a public measurement server: its sessions, its captures, its application servers.

The client is in a namespace of its own behind a router, the server beyond it; nginx, pure-ftpd
and the kernels' Multipath TCP are real, and the server's parts are its own processes.
"""

import contextlib
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from mptcp_check.analysis.capture.capture_file import read
from system.cli import PROGRAM, Said, wait_until
from system.public_server import PublicServer, public_server
from system.real_site import Site, site

pytestmark = pytest.mark.lab

BOTH = ("--machine", "host", "--iface", "lan0", "--iface", "lan1")
RUN = ("run", "--json", "--quick", *BOTH)
HTTP = (*RUN, "--apps", "http")
NOT_REACHED = 5


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(tmp_path_factory.mktemp("site")) as found:
        yield found


@pytest.fixture(scope="module")
def server(place: Site) -> Iterator[PublicServer]:
    with public_server(place) as made:
        yield made


def seen(said: Said) -> set[str]:
    findings = said.document["report"]["findings"]
    return {f["behaviour"] for f in findings if f["state"] == "seen"}


def one_line(said: Said) -> str:
    """Return the message; a traceback or a second message fails the test."""
    assert "Traceback" not in said.err
    lines = [line for line in said.err.splitlines() if line.startswith("mptcp-check: ")]
    assert len(lines) == 1, said.err
    return lines[0]


def test_a_run_has_a_session_with_both_captures_and_leaves_nothing(
    place: Site, server: PublicServer
) -> None:
    said = place.call("laptop", *RUN, *server.option)

    assert said.code == 0, said.err
    document = said.document
    assert [e["outcome"] for e in document["exchanges"]] == ["tcp", "mptcp"] * 3
    assert all(e["proven"] and e["sha256_ok"] for e in document["exchanges"])
    assert all(e["subflows"] == 2 for e in document["exchanges"] if e["transport"] == "mptcp")
    assert seen(said) == set()
    assert document["integrity"]["troubles"] == []
    assert document["server"] == f"{server.url}:34380"
    capture = read((Path(document["directory"]) / "captures" / "server.pcapng").read_bytes())
    assert {int(port) for port in capture.packets.dst_port} >= {80, 21}
    assert f"Measuring against {server.url}:34380: it answers and takes sessions" in said.err
    assert server.kept() == []
    ids = {Path(f"/proc/{pid}").stat().st_uid for word in ("nginx", "pure-ftpd") for pid in
           server.pids(word)}  # fmt: skip
    assert 0 not in ids
    password = document["run_id"]  # stands for what must be there; the secret must not
    folder = Path(document["directory"])
    assert password in (folder / "report.json").read_text()
    dialogues = (folder / "exchanges.json").read_text()
    assert "PASS <password>" in dialogues


def test_behind_a_translator_the_session_still_has_its_own_packets(
    place: Site, server: PublicServer
) -> None:
    place.run("router", "nft", "add table ip nat")
    place.run("router", "nft", "add chain ip nat out { type nat hook postrouting priority 100; }")
    place.run("router", "nft", 'add rule ip nat out oifname "wan" masquerade random')
    try:
        said = place.call("laptop", *RUN, *server.option)
    finally:
        place.clear()

    assert said.code == 0, said.err
    assert [e["outcome"] for e in said.document["exchanges"]] == ["tcp", "mptcp"] * 3
    assert seen(said) == {"address_translated"}
    assert "only translated addresses or ports" in " ".join(said.document["summary"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("interface", "rule", "behaviour", "outcome"),
    [
        ("lan0", "reset tcp option mptcp", "mp_capable_removed_from_syn", "fell_back_at_handshake"),
        (
            "lan0",
            "tcp option mptcp exists drop",
            "mp_capable_syn_dropped",
            "fell_back_at_handshake",
        ),
        ("lan1", "reset tcp option mptcp", "mp_join_removed", "mptcp_degraded"),
    ],
)
def test_a_box_on_the_way_is_named(
    place: Site, server: PublicServer, interface: str, rule: str, behaviour: str, outcome: str
) -> None:
    # a join without its option says no token and no marker: the client's capture claims it
    place.strip(interface, f"tcp dport 80 tcp flags & (syn|ack) == syn {rule}")
    try:
        said = place.call("laptop", *HTTP, *server.option, "--fail-on", "interference")
    finally:
        place.clear()

    assert said.code == 1, said.err
    assert seen(said) == {behaviour}
    outcomes = {e["outcome"] for e in said.document["exchanges"] if e["transport"] == "mptcp"}
    assert outcomes == {outcome}


@pytest.mark.slow
def test_the_whole_plan_runs_with_active_ftp_over_both_transports(
    place: Site, server: PublicServer
) -> None:
    said = place.call("laptop", "run", "--json", "--apps", "http,ftp", *BOTH, *server.option)

    assert said.code == 0, said.err
    exchanges = said.document["exchanges"]
    assert {e["outcome"] for e in exchanges} == {"tcp", "mptcp"}
    assert all(e["proven"] and e["sha256_ok"] for e in exchanges)
    active = [e for e in exchanges if e["mode"] == "active"]
    assert {(e["transport"], e["port"]) for e in active} == {("tcp", 2121), ("mptcp", 21)}


def test_a_list_with_a_dead_first_server_says_what_was_taken_and_why(
    place: Site, server: PublicServer, tmp_path: Path
) -> None:
    listed = tmp_path / "servers.toml"
    listed.write_text(
        '[[servers]]\nurl = "https://198.51.100.99:1"\npriority = 1\n'
        f'[[servers]]\nurl = "{server.url}"\npriority = 5\nfingerprint = "{server.fingerprint}"\n'
    )
    said = place.call("laptop", *HTTP, "--server", str(listed))

    assert said.code == 0, said.err
    [note] = said.document["notes"]
    assert note.startswith(f"{server.url}:34380 was taken from servers.toml: ")
    assert "after https://198.51.100.99:1 (cannot be reached: " in note
    assert "the first by priority that can be used, after https://198.51.100.99:1" in " ".join(
        said.err.split()
    )


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("https://198.51.100.99", "cannot be reached: no route to host"),
        ("https://198.51.100.10", "cannot be reached: self-signed certificate"),
        ("https://198.51.100.10,fingerprint=" + "0" * 64, "is not the one whose fingerprint"),
        ("https://198.51.100.10:2222", "cannot be reached"),
    ],
)
def test_a_server_that_cannot_be_used_is_one_line_and_5(
    place: Site, server: PublicServer, option: str, words: str, tmp_path: Path
) -> None:
    assert server.process is not None
    out = tmp_path / "run"
    said = place.call("laptop", *HTTP, "--server", option, "--out", str(out))

    assert said.code == NOT_REACHED
    assert words in one_line(said)
    assert "next step" in said.err
    assert not out.exists()


def test_a_drained_server_is_told_as_that(place: Site, server: PublicServer) -> None:
    config = str(server.folder / "server.toml")
    server.command("drain", "--config", config)
    try:
        assert wait_until(lambda: "being drained" in one_line(
            place.call("laptop", *HTTP, *server.option)))  # fmt: skip
    finally:
        server.command("drain", "--undo", "--config", config)


def test_a_client_that_is_killed_leaves_its_session_to_the_clock(place: Site) -> None:
    with public_server(place, tickets="session_s = 40\ncollect_s = 0") as short:
        child = place.start("laptop", *HTTP, *short.option)
        assert wait_until(lambda: any(one.startswith("services/files") for one in short.kept()))
        assert wait_until(lambda: any(one.startswith("state/captures") for one in short.kept()))
        child.kill()
        child.wait()
        assert wait_until(lambda: not any("services/" in one for one in short.kept()))
        # a capture is kept for its user, who may still come: until `retention`
        [capture] = short.kept()
        assert capture.startswith("state/captures/")


def test_a_session_whose_time_ends_in_mid_run_is_told(place: Site) -> None:
    with public_server(place, tickets="session_s = 10\ncollect_s = 0\nleeway_s = 0") as short:
        said = place.call("laptop", "run", "--json", *BOTH, *short.option)

    assert said.code == NOT_REACHED, said.err
    assert "the session is over: its time ran out" in one_line(said)
    assert "fewer --apps" in " ".join(said.err.split())


def test_an_upgrade_in_mid_run_harms_no_run(place: Site, server: PublicServer) -> None:
    """Replace the interface's process while a run has a session, as systemd does it."""
    child = place.start("laptop", *RUN, *server.option)
    assert wait_until(lambda: any(one.startswith("services/files") for one in server.kept()))
    assert child.stderr is not None
    for line in child.stderr:
        if "Running the exchanges" in line:
            break
    kept = server.kept()
    server.end()
    assert set(server.kept()) >= {one for one in kept if "services/" in one}
    server.start()
    rest = child.stderr.read()
    code = child.wait()

    # the capture's gap is told, and what was asked in between may have found nobody: never less
    assert "Traceback" not in rest
    assert code in (0, 4, 5), rest


def test_a_service_that_crashes_in_mid_run_is_started_again_and_the_report_says_so(
    place: Site, server: PublicServer
) -> None:
    child = subprocess.Popen(
        ["ip", "netns", "exec", place.name("laptop"), str(PROGRAM), "run", "--json", *BOTH,
         "--apps", "http", *server.option],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=place.environment(),
    )  # fmt: skip
    assert child.stderr is not None
    for line in child.stderr:
        if "download :80 over TCP" in line:
            break
    for pid in server.pids("nginx: master"):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    out, err = child.communicate()

    assert child.returncode in (0, 1), err
    said = Said(code=child.returncode, out=out, err=err)
    notes = " ".join(said.document["notes"])
    assert "http at port 80 of the server crashed meanwhile and was started again" in notes
    server.await_ports(80)


def test_a_server_whose_disk_is_full_takes_no_run_and_says_so(place: Site) -> None:
    with tempfile.TemporaryDirectory(prefix=f"mptcp-check-full-{os.getpid()}-") as small:
        Path(small).chmod(0o755)
        mount = ["mount", "-t", "tmpfs", "-o", "size=1m,mode=755", "tmpfs", small]
        subprocess.run(mount, check=True)
        try:
            with public_server(place, state=f"{small}/services") as full:
                said = place.call("laptop", *HTTP, *full.option)
        finally:
            subprocess.run(["umount", small], check=True)

    assert said.code == NOT_REACHED, said.err
    assert "has no room left on its disk" in one_line(said)
