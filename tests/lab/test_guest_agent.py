"""The guest agent at its work: two machines, real servers and clients, real links."""

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from lab.agents import AgentProcess, agent, lab_up, machines, names_left
from lab.lines import line
from lab.suite import KEYS, SuiteResult, run_exchange, run_plan, start_services
from mptcp_check.exchanges import asking
from mptcp_check.exchanges.conditions import TWINS, TWO_PATHS
from mptcp_check.exchanges.guest_api import GuestError
from mptcp_check.exchanges.plan import chosen, plan
from mptcp_check.exchanges.repetition import HEALTHY_TOO
from mptcp_check.machines import addresses
from mptcp_check.middleboxes.chain import Chain
from mptcp_check.middleboxes.mp_capable_removed_from_syn import MpCapableRemovedFromSyn
from mptcp_check.middleboxes.payload_altered import PayloadAltered
from mptcp_check.model import Exchange, Family, Side, Transfer, Transport
from mptcp_guest import payload

pytestmark = pytest.mark.lab

Agents = dict[Side, AgentProcess]
OLDEST = ("http", "ftp")

DEADLINE_S = 120.0
"""On a busy computer; nothing waits for it."""

EVERY = tuple(
    replace(exchange, deadline_s=DEADLINE_S) for exchange in chosen(OLDEST, Family.IPV4, TWINS)
)


@pytest.fixture(scope="module")
def default_run() -> SuiteResult:
    with machines() as agents:
        lab_up(agents)
        return run_plan(agents, EVERY)


@pytest.fixture
def agents() -> Iterator[Agents]:
    with machines() as pair:
        lab_up(pair)
        yield pair


def picked(exchanges: tuple[Exchange, ...], transport: Transport, paths: int) -> list[Exchange]:
    return [
        e for e in exchanges if e.transport is transport and e.paths == paths and not e.checksum
    ]


def test_every_exchange_delivers_what_was_sent(default_run: SuiteResult) -> None:
    assert len(default_run.records) == 30
    assert {r.problem for r in default_run.records} == {None}
    assert all(r.sha256_ok and r.arrived_bytes == 1024 * 1024 for r in default_run.records)


def test_the_contents_are_the_ones_that_the_host_can_compute(default_run: SuiteResult) -> None:
    for record in default_run.records:
        assert record.sent == payload.digest(asking.content(record.exchange, "test"))


def test_every_exchange_runs_over_the_transport_it_claims(default_run: SuiteResult) -> None:
    assert {(r.exchange.id, r.proof.reason) for r in default_run.records} == {
        (e.id, "") for e in EVERY
    }


def test_every_connection_of_the_client_gets_the_subflows_that_were_wanted(
    default_run: SuiteResult,
) -> None:
    wanted = {r.exchange.id: r.proof.joins_wanted for r in default_run.records}
    assert sum(wanted.values()) == 2 * (2 + 2 + 4)
    assert {r.exchange.id: r.proof.joins_completed_count for r in default_run.records} == wanted


def test_nothing_is_left_on_the_wire_between_exchanges(default_run: SuiteResult) -> None:
    assert default_run.settled
    assert {name for r in default_run.records for name in r.proof.trouble} <= HEALTHY_TOO
    ends = [r.end_ns for r in default_run.records]
    starts = [r.start_ns for r in default_run.records]
    assert all(end < start for end, start in zip(ends, starts[1:], strict=False))


def test_captures_hold_every_packet(default_run: SuiteResult) -> None:
    for side in Side:
        for capture in default_run.captures[side]:
            assert capture["problem"] is None
            assert capture["dropped_count"] == 0
            # what the kernel counted before the filter was in place is in no file
            assert capture["received_count"] >= capture["packet_count"] > 0
    counts = {
        side: [c["packet_count"] for c in default_run.captures[side]]
        for side in default_run.captures
    }
    assert counts[Side.CLIENT] == counts[Side.SERVER]


def test_sockets_and_path_manager_are_watched(default_run: SuiteResult) -> None:
    record = next(
        r for r in default_run.records if r.exchange.app == "ftp" and r.exchange.paths == 2
    )
    assert any("mptcp ESTAB" in sample["text"] for sample in record.samples)
    assert any("SF_ESTABLISHED" in e["text"] for e in record.events[Side.CLIENT])


def test_ipv6_has_second_subflows_too(agents: Agents) -> None:
    full = chosen(OLDEST, Family.IPV6, [TWO_PATHS])
    start_services(agents[Side.SERVER], full)
    quiet: list[bool] = []
    for exchange in picked(full, Transport.MPTCP, 2):
        record = run_exchange(agents, exchange, quiet)
        assert record.problem is None
        assert record.proof.reason == ""
        assert record.proof.joins_completed_count == record.proof.joins_wanted > 0
    assert all(quiet)


def test_a_transfer_without_mptcp_is_not_taken_for_one() -> None:
    chains = [Chain([MpCapableRemovedFromSyn(), line()]), Chain([line()])]
    exchange = picked(plan(["http"]), Transport.MPTCP, 2)[0]
    with machines(chains) as agents:
        lab_up(agents)
        start_services(agents[Side.SERVER], [exchange])
        record = run_exchange(agents, exchange, [])
    assert record.sha256_ok
    assert record.exit_code == 0
    assert record.proof.reason == "1 connections asked for MPTCP, 0 were answered with it"


def test_altered_bytes_are_a_problem_although_curl_is_content() -> None:
    chains = [Chain([PayloadAltered(), line()]), Chain([line()])]
    exchange = next(
        e for e in picked(plan(["http"]), Transport.TCP, 1) if e.direction is Transfer.DOWNLOAD
    )
    with machines(chains) as agents:
        lab_up(agents)
        start_services(agents[Side.SERVER], [exchange])
        record = run_exchange(agents, exchange, [])
    assert not record.sha256_ok
    assert record.problem is not None


def test_an_exchange_that_hangs_is_killed_with_all_its_processes(agents: Agents) -> None:
    began = time.monotonic()  # noqa: TID251 - a deadline is what is tested
    times = [f"471{number}.{os.getpid()}" for number in (1, 2)]  # another run has its own
    script = f"sleep {times[0]} & sleep {times[1]}"
    result = agents[Side.CLIENT].call(
        "exchange",
        {
            "name": "hang",
            "transport": "mptcp",
            "commands": [["sh", "-c", script]],
            "within_s": 1.0,
            "sends": None,
            "sample_every_ms": 200,
        },
    )
    assert result["timed_out"]
    assert result["exit_codes"] == [-9]
    assert result["duration_ns"] >= 10**9
    assert time.monotonic() - began < 60  # noqa: TID251 - as above
    # what is killed takes a moment to be gone
    wait_until(lambda: not processes(lambda words: any(t in words for t in times)))


def test_hanging_up_in_the_middle_ends_everything() -> None:
    sleeps = f"4713.{os.getpid()}"
    with machines(carried=False) as agents:
        lab_up(agents)
        start_services(agents[Side.SERVER], EVERY)
        client = agents[Side.CLIENT]
        assert client.process.stdin is not None
        client.process.stdin.write(
            b'{"id": 1, "verb": "exchange", "arguments": {"name": "x", "transport": "tcp",'
            b' "commands": [["sleep", "%s"]], "within_s": 60, "sends": null,'
            b' "sample_every_ms": 0}}\n' % sleeps.encode()
        )
        client.process.stdin.flush()
        wait_until(lambda: bool(processes(lambda words: sleeps in words)))
        assert [a.hang_up() for a in agents.values()] == [0, 0]
        directories = [str(a.work_directory) for a in agents.values()]
        wait_until(
            lambda: not processes(lambda words: any(w in words for w in (sleeps, *directories)))
        )
    assert names_left() == []


def test_a_server_that_dies_is_named_with_its_log(agents: Agents) -> None:
    server = agents[Side.SERVER]
    start_services(server, chosen(["http"], Family.IPV4, [TWO_PATHS]))
    place = f"{server.work_directory}/services/1"

    def masters() -> list[int]:
        return processes(lambda words: "master" in words and place in words)

    # a worker that was just made has its master's command line for a moment
    wait_until(lambda: len(masters()) == 1)
    os.kill(masters()[0], 9)
    wait_until(lambda: not all(s["alive"] for s in server.call("services_state")["services"]))
    dead = [s for s in server.call("services_state")["services"] if not s["alive"]]
    assert [(s["name"], s["exit_code"]) for s in dead] == [("http mptcp 10.77.0.2 80", -9)]

    # a worker does not end with its master
    assert at_work_in(place)
    server.call("services_stop")
    wait_until(lambda: not at_work_in(place))


def test_servers_that_cannot_listen_are_an_error_that_names_them(agents: Agents) -> None:
    server = agents[Side.SERVER]
    one = chosen(["http"], Family.IPV4, [TWO_PATHS])
    wanted = asking.services_start(one, lambda _, __: "10.77.9.9", KEYS)
    # whichever of the two is looked at first
    named = r"http (tcp|mptcp) 10\.77\.9\.9 80 ended with 1: .*bind\(\)"
    with pytest.raises(GuestError, match=named):
        server.call("services_start", wanted)
    assert server.call("services_state")["services"] == []


@pytest.mark.parametrize("command", ["PORT 10,77,1,2,200,1", "EPRT |1|10.77.1.2|51201|"])
def test_the_ftp_server_connects_to_nobody_but_its_client(agents: Agents, command: str) -> None:
    start_services(agents[Side.SERVER], plan(["ftp"]))
    script = (
        "import ftplib, sys\n"
        "ftp = ftplib.FTP('10.77.0.2', 'mptcp', 'for-this-run-only', timeout=60)\n"
        "ftp.sendcmd(sys.argv[1].replace('10,77,1,2', '10,77,0,1').replace('1.2', '0.1'))\n"
        "print('own', flush=True)\n"
        "ftp.sendcmd(sys.argv[1])\n"
        "print('foreign')\n"
    )
    result = agents[Side.CLIENT].call(
        "exchange",
        {
            "name": "abuse",
            "transport": "tcp",
            "commands": [["/usr/bin/python3", "-c", script, command]],
            "within_s": 90.0,
            "sends": None,
            "sample_every_ms": 0,
        },
    )
    assert result["stdout_tail"] == "own\n"
    assert "won't open a connection to 10.77.1.2" in result["stderr_tail"]


def test_a_full_disk_while_capturing_is_noticed(agents: Agents) -> None:
    exchange = picked(plan(["http"]), Transport.TCP, 1)[0]
    start_services(agents[Side.SERVER], [exchange])
    client = agents[Side.CLIENT]
    small = Path(client.work_directory) / "small"
    small.mkdir()
    mount = ["nsenter", f"--mount=/proc/{client.process.pid}/ns/mnt", "mount", "-t", "tmpfs"]
    subprocess.run([*mount, "-o", "size=256k", "none", str(small)], check=True)
    client.call(
        "capture_start",
        {
            "interfaces": ["eth0"],
            "filter": addresses.capture_filter(),
            "directory": str(small),
        },
    )
    run_exchange(agents, exchange, [])

    def told() -> bool:
        # tcpdump writes when the computer lets it
        return client.call("capture_state")["captures"][0]["problem"] is not None

    wait_until(told)
    assert "No space left on device" in client.call("capture_state")["captures"][0]["problem"]
    capture = client.call("capture_stop")["captures"][0]
    assert "No space left on device" in capture["problem"]
    assert capture["packet_count"] < capture["received_count"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"interfaces": ["eth0"], "filter": " "}, "without a filter"),
        ({"interfaces": ["eth9"], "filter": "tcp"}, "tcpdump on eth9 does not listen: .*No such"),
        (
            {"interfaces": ["eth0"], "filter": "tcp and"},
            "tcpdump on eth0 does not listen: .*syntax",
        ),
    ],
)
def test_a_capture_that_cannot_be_right_does_not_start(
    agents: Agents, arguments: dict[str, object], words: str
) -> None:
    client = agents[Side.CLIENT]
    with pytest.raises(GuestError, match=words):
        client.call("capture_start", arguments)
    assert client.call("capture_state")["captures"] == []


def test_a_lab_that_cannot_be_made_leaves_nothing() -> None:
    directory = Path(f"/run/mptcpguest-{os.getpid()}-none")
    try:
        with agent(None, directory) as alone:
            interfaces = [{"name": "nix0", "addresses": [], "gateways": []}]
            with pytest.raises(GuestError, match='Cannot find device "nix0"'):
                alone.call(
                    "lab_up",
                    {"namespace": f"mptcpguest-{os.getpid()}-none", "interfaces": interfaces},
                )
            with pytest.raises(GuestError, match="there is no lab yet"):
                alone.call("counters")
    finally:
        subprocess.run(["rm", "-rf", str(directory)], check=True)
    assert names_left() == []


def processes(fits: Callable[[str], bool]) -> list[int]:
    """Return the processes of this host whose command lines fit, this one left out."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except (OSError, UnicodeDecodeError):
                continue
            if fits(words):
                found.append(int(entry.name))
    return found


def at_work_in(place: str) -> list[int]:
    """Return the processes of this host that work in a folder."""
    found = []
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if entry.name.isdigit() and str((entry / "cwd").readlink()).startswith(place):
                found.append(int(entry.name))
    return found


def wait_until(condition: Callable[[], bool]) -> None:
    for _ in range(2400):
        if condition():
            return
        time.sleep(0.05)
    pytest.fail("it did not happen within two minutes")
