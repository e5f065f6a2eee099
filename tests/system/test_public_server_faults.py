"""What can go wrong at a public measurement server while a run has a session there."""

import contextlib
import os
import signal
import subprocess
import tempfile
from pathlib import Path

import pytest

from system.cli import PROGRAM, Said, wait_until
from system.public_server import PublicServer, public_server
from system.real_site import Site

pytestmark = pytest.mark.lab

BOTH = ("--machine", "host", "--iface", "lan0", "--iface", "lan1")
HTTP = ("run", "--json", "--quick", *BOTH, "--apps", "http")
NOT_REACHED = 5
PATIENCE_S = 180


def running(place: Site, server: PublicServer, *words: str) -> "subprocess.Popen[str]":
    """Start a run that writes what it does."""
    inside = ("ip", "netns", "exec", place.name("laptop"))
    return subprocess.Popen(
        [*inside, str(PROGRAM), "run", "--json", *BOTH, *words, *server.option],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=place.environment(),
    )


def until(child: "subprocess.Popen[str]", words: str) -> None:
    """Wait until a run says these words."""
    assert child.stderr is not None
    said = []
    for line in child.stderr:
        said.append(line)
        if words in line:
            return
    raise AssertionError("".join(said))


def gone(server: PublicServer, what: str) -> bool:
    return wait_until(lambda: not any(what in one for one in server.kept()), PATIENCE_S)


def there(server: PublicServer, what: str) -> bool:
    return wait_until(lambda: any(what in one for one in server.kept()), PATIENCE_S)


@pytest.mark.slow
def test_a_client_that_is_killed_leaves_its_session_to_the_clock(place: Site) -> None:
    with public_server(place, tickets="session_s = 20\ncollect_s = 0") as short:
        child = place.start("laptop", *HTTP, *short.option)
        assert there(short, "services/files")
        assert there(short, "state/captures")
        child.kill()
        child.communicate()
        assert gone(short, "services/")
        # a capture is kept for its user, who may still come: until `retention`
        [capture] = short.kept()
        assert capture.startswith("state/captures/")


def test_a_session_too_short_for_any_exchange_is_told(place: Site) -> None:
    with public_server(place, tickets="session_s = 25\ncollect_s = 0\nleeway_s = 0") as short:
        said = place.call("laptop", "run", "--json", *BOTH, *short.option)

    assert said.code == NOT_REACHED, said.err
    # a busy computer may need all of its time to begin
    told = ("gives one session too little time", "the session is over: its time ran out")
    assert any(words in said.one_line for words in told)
    assert "next step" in said.err


@pytest.mark.slow
def test_a_run_that_is_longer_than_its_session_is_whole_without_the_rest(place: Site) -> None:
    # twelve handovers over TCP take two minutes, and none of them begins in the last minute
    with public_server(place, tickets="session_s = 75\ncollect_s = 600") as short:
        said = place.call("laptop", "run", "--full", "--json", "--apps", "http",
                          *BOTH, *short.option)  # fmt: skip

    assert said.code == 0, said.err
    document = said.document
    assert 0 < len(document["exchanges"]) < document["estimate"]["exchanges_count"]
    [note] = [one for one in document["notes"] if "did not run" in one]
    assert "the server's time for one session was used up" in note
    assert all(e["sha256_ok"] for e in document["exchanges"])
    assert document["integrity"]["troubles"] == []


def test_an_upgrade_of_the_interface_in_mid_run_is_not_even_noticed(place: Site) -> None:
    """As systemd does it: the socket is held, captures and services are units of their own."""
    with public_server(place, units=True) as server:
        child = running(place, server, "--quick")
        until(child, "download :80 over TCP")
        before = server.process
        server.end()  # what is asked meanwhile waits at the socket
        server.start()
        assert server.process is not before
        out, err = child.communicate()

        assert child.returncode == 0, err
        document = Said(code=0, out=out, err=err).document
        assert [e["outcome"] for e in document["exchanges"]] == ["tcp", "mptcp"] * 3
        assert all(e["proven"] for e in document["exchanges"])
        assert document["integrity"]["troubles"] == []
        [capture] = server.kept()  # of a whole run, for a collector
        assert capture.startswith("state/captures/")


@pytest.mark.slow
def test_a_capture_service_that_is_restarted_in_mid_run_is_told(place: Site) -> None:
    with public_server(place, units=True) as server:
        child = running(place, server, "--quick", "--apps", "http")
        until(child, "download :80 over TCP")
        capture, services = server.beside
        capture.send_signal(signal.SIGTERM)
        assert capture.wait() == 0
        server.beside[:] = [server.again("capture"), services]
        server.await_ready()
        _, err = child.communicate()

    # nothing is lost that was promised in silence: the run says which side missed packets
    assert child.returncode == NOT_REACHED, err
    said = Said(code=child.returncode, out="", err=err)
    assert said.one_line


@pytest.mark.slow
def test_a_service_that_crashes_in_mid_run_is_started_again_and_the_report_says_so(
    place: Site,
) -> None:
    with public_server(place) as server:
        child = running(place, server, "--apps", "http")
        until(child, "download :80 over TCP")
        for pid in server.pids("nginx: master"):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        out, err = child.communicate()

        assert child.returncode == 0, err
        notes = " ".join(Said(code=0, out=out, err=err).document["notes"])
        assert "http at port 80 of the server crashed meanwhile and was started again" in notes
        server.await_ports(80)


@pytest.mark.slow
def test_a_server_whose_disk_is_full_takes_no_run_and_says_so(place: Site) -> None:
    with tempfile.TemporaryDirectory(prefix=f"mptcp-check-full-{os.getpid()}-") as small:
        Path(small).chmod(0o755)
        mount = ["mount", "-t", "tmpfs", "-o", "size=8m,mode=755", "tmpfs", small]
        subprocess.run(mount, check=True)
        try:
            with public_server(place, state=f"{small}/services") as full:
                Path(small, "somebody-elses").write_bytes(bytes(7_300_000))
                said = place.call("laptop", *HTTP, *full.option)
        finally:
            subprocess.run(["umount", small], check=True)

    assert said.code == NOT_REACHED, said.err
    assert "has no room left on its disk" in said.one_line
