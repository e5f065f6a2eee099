"""Boxes that lack programs: what the user named is refused, what he did not is left out and said.

The boxes have every program of this computer but those that a test hides from them.
"""

from pathlib import Path

import pytest

from system.cli import Said
from system.real_site import LAPTOP, POOR_PORT, SERVER, SSH_PORT, Site

pytestmark = pytest.mark.lab

PREFLIGHT = 3
HOST = ("--machine", "host", "--iface", "lan0", "--iface", "lan1")
QUICK = ("run", "--quick", "--json")
LIMIT_S = 900
SITE_SERVER = f"ssh:{SERVER}:{SSH_PORT}"


def words(said: Said) -> str:
    """Return what the terminal said, as one line."""
    return " ".join(said.err.split())


def apps(said: Said) -> set[str]:
    return {e["app"] for e in said.document["exchanges"]}


def test_what_a_server_box_lacks_is_left_out_with_the_way_to_have_it(place: Site) -> None:
    with place.poor("server", "pure-ftpd"):
        said = place.call("laptop", *QUICK, *HOST, "--server", f"ssh:{SERVER}:{POOR_PORT}")

    assert said.code == 0, said.err
    box = f"{SERVER}:{POOR_PORT}"
    sentence = f"was left out: {box} lacks pure-ftpd (on Debian: apt install pure-ftpd)"
    assert f"ftp {sentence}" in words(said)
    assert f"ftp {sentence}" in said.document["notes"]
    assert sentence in (Path(said.document["directory"]) / "report.html").read_text()
    assert apps(said) == {"http", "https"}
    assert [e["outcome"] for e in said.document["exchanges"]] == ["tcp", "mptcp"] * 3


def test_what_the_user_named_is_refused_where_a_program_is_missing(
    place: Site, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    with place.poor("server", "pure-ftpd"):
        said = place.call(
            "laptop", *QUICK, "--apps", "http,ftp", *HOST, "--out", str(out),
            "--server", f"ssh:{SERVER}:{POOR_PORT}",
        )  # fmt: skip

    assert said.code == PREFLIGHT
    assert f"{SERVER}:{POOR_PORT} lacks pure-ftpd, which ftp needs" in words(said)
    assert "next step: on Debian: apt install pure-ftpd" in words(said)
    assert not out.exists()


def test_a_client_box_without_any_application_is_refused(place: Site) -> None:
    machine = ("--machine", f"ssh:{LAPTOP}:{POOR_PORT}")
    with place.poor("laptop", "curl"):
        said = place.call("desk", *QUICK, *machine, "--server", SITE_SERVER)

    assert said.code == PREFLIGHT
    assert "no application can run" in words(said)
    assert f"{LAPTOP}:{POOR_PORT} lacks curl (on Debian: apt install curl)" in words(said)


@pytest.mark.slow
def test_what_either_box_lacks_is_left_out_of_the_whole_plan(place: Site) -> None:
    machine = ("--machine", f"ssh:{LAPTOP}:{POOR_PORT}")
    with (
        place.poor("laptop", "redis-cli", "mosquitto_pub", "rsync"),
        place.poor("server", "/usr/lib/dovecot/imap", "iperf3", "ngircd", "unbound", "git"),
    ):
        said = place.call(
            "desk", "run", "--json", *machine,
            "--server", f"ssh:{SERVER}:{POOR_PORT}", limit_s=LIMIT_S,
        )  # fmt: skip

    assert said.code == 0, said.err
    [client, server] = [note for note in said.document["notes"] if "were left out" in note]
    assert f"{LAPTOP}:{POOR_PORT} lacks rsync, mosquitto_pub, redis-cli" in client
    assert f"{SERVER}:{POOR_PORT} lacks" in server
    assert "apt install dovecot-imapd git iperf3 ngircd unbound" in server
    gone = {"rsync", "mqtt", "redis", "imap", "iperf3", "irc", "dns", "git"}
    assert apps(said).isdisjoint(gone)
    assert apps(said) >= {"http", "https", "ftp", "smtp", "pop3", "ssh", "sip", "websocket"}
    assert all(e["proven"] for e in said.document["exchanges"])
