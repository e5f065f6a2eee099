"""Runs against a public measurement server: its sessions, its captures, its application servers.

The client is in a namespace of its own behind a router, the server beyond it; nginx, pure-ftpd
and the kernels' Multipath TCP are real, and the server's parts are its own processes.
"""

import contextlib
import subprocess
from pathlib import Path

import pytest

from mptcp_check.analysis.capture.capture_file import read
from mptcp_check.machines.namespace import entered
from mptcp_check.session_client.remote_session import RemoteSession
from mptcp_guest.messages import Content
from system.public_server import PublicServer
from system.real_site import SERVER, Site

pytestmark = pytest.mark.lab

BOTH = ("--machine", "host", "--iface", "lan0", "--iface", "lan1")
RUN = ("run", "--json", "--quick", *BOTH)
HTTP = (*RUN, "--apps", "http")
NOT_REACHED = 5
AT_ONCE = 8
"""Sessions that one netblock may have unless told otherwise."""
LOGIN_DENIED = 67
FELL_BACK = "fell_back_at_handshake"


def test_a_run_has_a_session_with_both_captures_and_leaves_nothing(
    place: Site, server: PublicServer
) -> None:
    said = place.call("laptop", *RUN, "--no-upload", *server.option)

    assert said.code == 0, said.err
    document = said.document
    assert [e["outcome"] for e in document["exchanges"]] == ["tcp", "mptcp"] * 3
    assert all(e["proven"] and e["sha256_ok"] for e in document["exchanges"])
    assert all(e["subflows"] == 2 for e in document["exchanges"] if e["transport"] == "mptcp")
    assert said.seen == set()
    assert document["integrity"]["troubles"] == []
    assert document["server"] == f"{server.url}:34380"
    capture = read((Path(document["directory"]) / "captures" / "server.pcapng").read_bytes())
    assert {int(port) for port in capture.packets.dst_port} >= {80, 21}
    assert f"Measuring against {server.url}:34380: it answers and takes sessions" in said.err
    assert server.kept() == []
    assert not (Path(document["directory"]) / "server-session.json").exists()
    ids = set()
    for pid in [pid for word in ("nginx", "pure-ftpd") for pid in server.pids(word)]:
        with contextlib.suppress(FileNotFoundError):  # of a connection that has just ended
            ids.add(Path(f"/proc/{pid}").stat().st_uid)
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
    assert said.seen == {"address_translated"}
    assert "only translated addresses or ports" in " ".join(said.document["summary"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("interface", "rule", "found"),
    [
        ("lan0", "reset tcp option mptcp", ("mp_capable_removed_from_syn", FELL_BACK)),
        ("lan0", "tcp option mptcp exists drop", ("mp_capable_syn_dropped", FELL_BACK)),
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
    assert said.seen == {behaviour}
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
        (
            "https://198.51.100.10,fingerprint=" + "0" * 64,
            "cannot be reached: the certificate is not the one whose fingerprint is known",
        ),
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
    assert words in said.one_line
    assert "next step" in said.err
    assert not out.exists()


def test_a_drained_server_is_told_as_that(place: Site, server: PublicServer) -> None:
    config = str(server.folder / "server.toml")
    server.command("drain", "--config", config)
    try:
        said = place.call("laptop", *HTTP, *server.option)
    finally:
        server.command("drain", "--undo", "--config", config)

    assert said.code == NOT_REACHED
    assert "being drained" in said.one_line
    with entered(place.name("laptop")):
        assert server.connection().ask("GET", "/v1/health")["status"] == "ok"


def test_a_server_that_takes_nobody_in_is_passed_over_and_all_of_a_list_are_told(
    place: Site, server: PublicServer, tmp_path: Path
) -> None:
    listed = tmp_path / "servers.toml"
    listed.write_text(
        f'[[servers]]\nurl = "{server.url}"\nfingerprint = "{server.fingerprint}"\n'
        '[[servers]]\nurl = "https://198.51.100.99:1"\n'
    )
    with entered(place.name("laptop")):
        names = [f"run-of-number-{n}" for n in range(AT_ONCE)]
        taken = [RemoteSession.create(server.connection(), name) for name in names]
    try:
        alone = place.call("laptop", *HTTP, *server.option)
        of_a_list = place.call("laptop", *HTTP, "--server", str(listed))
    finally:
        with entered(place.name("laptop")):
            for one in taken:
                one.delete()

    for said in (alone, of_a_list):
        assert said.code == NOT_REACHED
        assert said.one_line
        assert "has as many sessions of this network as it allows" in said.err
    assert "wait, or name another server" in alone.err
    assert "https://198.51.100.99:1 cannot be reached: no route to host" in of_a_list.err


def curl(place: Site, *words: str) -> tuple[int, str]:
    """Ask a service from the laptop; return curl's exit code and what came, headers left out."""
    done = subprocess.run(
        ["ip", "netns", "exec", place.name("laptop"), "curl", "-s", "--max-time", "60", *words],
        capture_output=True,
        check=False,
    )
    return done.returncode, done.stdout.decode(errors="replace")


def test_the_services_show_nobody_what_is_not_his(
    place: Site, server: PublicServer, tmp_path: Path
) -> None:
    with entered(place.name("laptop")):
        alice, bob = (RemoteSession.create(server.connection(), f"run-of-{n}-1") for n in "ab")
        accounts = [one.open_services() for one in (alice, bob)]
        for one in (alice, bob):
            one.offer("http", "x1", Content(seed=one.id, bytes=2000))
    login = ("--user", f"{accounts[0].user}:{accounts[0].password}")
    http, ftp = f"http://{SERVER}", f"ftp://{SERVER}"
    status = ("-o", "/dev/null", "-w", "%{http_code}")
    sent = tmp_path / "sent"
    sent.write_bytes(b"mine")
    try:
        # what is his own, by either way
        assert len(curl(place, f"{http}/{alice.marker}/down/x1")[1]) > 1000
        assert curl(place, "-T", str(sent), *login, f"{ftp}/up/x2")[0] == 0
        with entered(place.name("laptop")):
            assert alice.received("ftp", "x2") is not None
            assert bob.received("ftp", "x2") is None
        # no lists, no folder without its name, nothing beside the folders
        for path in ("/", "/down/x1", f"/{alice.marker}/", f"/{alice.marker}/down/",
                     f"/{alice.marker}/../accounts/{bob.marker}.json"):  # fmt: skip
            assert curl(place, "--path-as-is", *status, http + path)[1] in {"403", "404"}
        assert curl(place, "-X", "DELETE", *status, f"{http}/{alice.marker}/down/x1")[1] == "405"
        assert curl(place, "-T", str(sent), *status, f"{http}/nobody/up/x1")[1] in {"403", "404"}
        assert curl(place, "-x", f"{SERVER}:80", *status, "http://198.51.100.1/")[1] == "404"
        # FTP's root is the session's folder, its login only the session's, foreign ports refused
        listed = curl(place, "--list-only", *login, f"{ftp}/")[1].split()
        assert {*listed} - {".", ".."} == {"down", "up"}
        stolen = ("--user", f"{accounts[1].user}:{accounts[0].password}")
        assert curl(place, *stolen, f"{ftp}/")[0] == LOGIN_DENIED
        assert curl(place, "--user", "anonymous:x", f"{ftp}/")[0] == LOGIN_DENIED
        foreign = curl(place, "-v", "--stderr", "-", *login, "--ftp-port", "10.88.1.10",
                       "--interface", "10.88.0.10", f"{ftp}/down/x1")  # fmt: skip
        assert foreign[0] != 0
        assert "won't open a connection to 10.88.1.10" in foreign[1]
    finally:
        with entered(place.name("laptop")):
            alice.delete()
            bob.delete()
    assert curl(place, *login, f"{ftp}/")[0] == LOGIN_DENIED
    assert curl(place, *status, f"{http}/{alice.marker}/down/x1")[1] == "404"
