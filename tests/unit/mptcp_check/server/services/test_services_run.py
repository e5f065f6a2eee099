"""What is offered, with how few rights, and by what the servers prove themselves."""

import logging
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from measurement_server import configuration
from mptcp_check.errors import PreflightError
from mptcp_check.exchanges import APPLICATIONS
from mptcp_check.server.configuration import joined
from mptcp_check.server.configuration_keys import PORTS
from mptcp_check.server.services import path_manager, privileges, server_keys, services_run
from mptcp_check.server.services.shared_programs import SHARED
from mptcp_guest.lab import Lab
from mptcp_guest.serving import PROGRAMS
from mptcp_guest.waiting import Stop

STATUS = "Name:\tx\nCapPrm:\t0000000000000480\nCapEff:\t0\n"


def test_every_shared_program_has_ports_that_the_suite_tries() -> None:
    assert set(PORTS) == set(SHARED)
    for service, (ports, _) in PORTS.items():
        tried = {
            port for app in APPLICATIONS.values() if app.service == service for port in app.ports
        }
        assert set(ports) <= tried


def test_each_listens_at_every_address_and_ftp_once_more_on_plain_tcp(tmp_path: Path) -> None:
    chosen = configuration(tmp_path, "[services]\nlisten = ['0.0.0.0', '::']").services
    wanted = services_run.listeners(chosen)
    assert {one["service"] for one in wanted} == set(SHARED)
    assert [(one["service"], one["port"]) for one in wanted if one["transport"] == "tcp"] == [
        ("ftp", 2121),
        ("ftp", 2121),
    ]
    assert len(wanted) == 2 * (1 + sum(len(ports) for ports, _ in PORTS.values()))


def test_what_has_no_program_is_left_out_with_a_sentence(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    wanted = services_run.listeners(configuration(tmp_path, "").services)
    tools = {program.tool: "1.0" for program in PROGRAMS.values()}
    tools |= {"unbound": "", "sshd": "", "ngircd": "", "redis-server": ""}
    with caplog.at_level(logging.WARNING):
        found = services_run.offered(wanted, tools)
    assert {one["service"] for one in wanted} - {one["service"] for one in found} == {
        *("dns", "dns-tls", "redis")  # ssh and irc are our own
    }
    assert [record.getMessage() for record in caplog.records] == [
        "dns, dns-tls are not offered: apt install unbound",
        "redis is not offered: apt install redis-server",
    ]


def test_a_computer_without_any_program_is_told(tmp_path: Path) -> None:
    only = "\n".join(f"{name} = []" for name in PORTS if name != "http")
    chosen = configuration(tmp_path, f"[services]\nftp_plain = []\n{only}").services
    with pytest.raises(PreflightError, match="no application server") as refused:
        services_run.offered(services_run.listeners(chosen), {})
    assert "nginx-light" in refused.value.hint


def test_a_program_gets_what_it_needs_and_what_there_is() -> None:
    assert privileges.held(STATUS) == {"setuid", "net_bind_service"}
    assert privileges.held("") == frozenset()
    words = privileges.words({"setuid", "sys_chroot"}, privileges.held(STATUS), 77)
    assert words[:3] == ["prlimit", "--fsize=77", "--"]
    assert words.count("-all,+net_bind_service,+setuid") == 2
    assert privileges.words((), frozenset(), 1)[-2] == "-all"
    assert privileges.lowered((), 1)[0] == "prlimit"


def test_the_servers_keys_stay_over_a_restart_and_are_theirs_alone(tmp_path: Path) -> None:
    first = server_keys.kept(tmp_path)
    assert server_keys.kept(tmp_path) == first
    assert first.shared.tls_key == first.tls_key
    assert first.ssh_host_key_public.startswith("ssh-ed25519 ")
    for path in (tmp_path / server_keys.FOLDER).iterdir():
        assert path.stat().st_mode & 0o077 == 0
    assert "PRIVATE" not in repr(first)


@given(st.lists(st.tuples(st.integers(1, 50), st.integers(0, 9)).map(lambda t: (t[0], sum(t)))))
def test_joined_ranges_hold_the_same_ports_and_do_not_touch(
    ranges: list[tuple[int, int]],
) -> None:
    found = joined(ranges)
    ports = {port for first, last in ranges for port in range(first, last + 1)}
    assert {port for first, last in found for port in range(first, last + 1)} == ports
    assert all(one[1] + 1 < other[0] for one, other in pairwise(found))


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("add_addr_accepted 0 subflows 8 \n", []),
        ("add_addr_accepted 2 subflows 8 \n", ["addresses that clients name"]),
        ("add_addr_accepted 0 subflows 0 \n", ["takes no joins"]),
        ("add_addr_accepted 1 subflows 0 \n", ["addresses that clients name", "takes no joins"]),
        ("what no version says", []),
    ],
)
def test_a_kernel_that_would_be_turned_against_others_is_told(said: str, words: list[str]) -> None:
    told = path_manager.warnings(said)
    assert len(told) == len(words)
    for sentence, part in zip(told, words, strict=True):
        assert part in sentence
        assert sentence.endswith(path_manager.MEND)


def test_a_kernel_that_tells_no_limits_serves_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = Lab(work_directory=tmp_path, stop=Stop(), own_network=True)
    monkeypatch.setattr(path_manager, "ASK", ("sh", "-c", "echo no such family >&2; exit 2"))

    (told,) = services_run.path_manager_warnings(lab)
    assert "does not tell how it joins" in told
    assert "no such family" in told
