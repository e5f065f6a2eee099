"""Runs against a public measurement server: its sessions, its captures, its application servers.

The client is in a namespace of its own behind a router, the server beyond it; nginx, pure-ftpd
and the kernels' Multipath TCP are real, and the server's parts are its own processes.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mptcp_check.analysis.capture.capture_file import read
from system.cli import Said, wait_until
from system.public_server import PublicServer, public_server
from system.real_site import Site, site

pytestmark = pytest.mark.lab

BOTH = ("--machine", "host", "--iface", "lan0", "--iface", "lan1")
RUN = ("run", "--json", "--quick", *BOTH)
HTTP = (*RUN, "--apps", "http")
NOT_REACHED = 5
FELL_BACK = "fell_back_at_handshake"


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
    ids = {
        Path(f"/proc/{pid}").stat().st_uid
        for word in ("nginx", "pure-ftpd")
        for pid in server.pids(word)
    }
    assert ids
    assert 0 not in ids
    dialogues = (Path(document["directory"]) / "exchanges.json").read_text()
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
    ("interface", "rule", "found"),
    [
        ("lan0", "reset tcp option mptcp", ("mp_capable_removed_from_syn", FELL_BACK)),
        (
            "lan0",
            "tcp option mptcp exists drop",
            "mp_capable_syn_dropped",
            "fell_back_at_handshake",
        ),
        ("lan1", "reset tcp option mptcp", ("mp_join_removed", "mptcp_degraded")),
    ],
)
def test_a_box_on_the_way_is_named(
    place: Site, server: PublicServer, interface: str, rule: str, found: tuple[str, str]
) -> None:
    # a join without its option says no token and no marker: the client's capture claims it
    place.strip(interface, f"tcp dport 80 tcp flags & (syn|ack) == syn {rule}")
    try:
        said = place.call("laptop", *HTTP, *server.option, "--fail-on", "interference")
    finally:
        place.clear()

    assert said.code == 1, said.err
    behaviour, outcome = found
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


@pytest.mark.slow
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
