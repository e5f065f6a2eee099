"""What goes wrong while this computer's kernel or a box measures: said in a line, nothing left."""

import contextlib
import json
import os
import shutil
import signal
import tempfile
from pathlib import Path

import pytest

from system.cli import wait_for_line, wait_until
from system.host_traces import (
    BOTH,
    HTTP,
    TO_SERVER,
    Settings,
    agents,
    left_by_us,
    settings_of,
)
from system.real_site import LAPTOP, LIMIT_S, ODD_PORT, SERVER, SSH_PORT, Site, run

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("earlier")]

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
    assert settings_of(place) == before
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
    assert settings_of(place) == before
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
    assert wait_until(lambda: settings_of(place) == before)
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
    assert settings_of(place) == before
    assert (agents(place), left_by_us(earlier)) == ([], [])
