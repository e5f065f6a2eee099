"""The services' process over its socket: accounts, contents, crashes of programs."""

import contextlib
import itertools
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest

from measurement_server import Clock, S, program
from mptcp_check.server.line_protocol import LONGEST_LINE, ask, listen
from mptcp_check.server.problem import ProblemError
from mptcp_check.server.services import programs, server_keys, services_process
from mptcp_check.server.services.programs import Programs
from mptcp_check.server.services.remote_services import RemoteServices
from mptcp_check.server.services.service import ServicesState
from mptcp_check.server.services.services_process import ServicesProcess
from mptcp_check.server.services.session_folders import Quota, SessionFolders
from mptcp_check.server.services.shared_programs import SHARED
from mptcp_guest.lab import Lab
from mptcp_guest.messages import Content, ServiceWanted
from mptcp_guest.serving.sharing import Caps
from mptcp_guest.waiting import Stop
from ring_frames import nonce_marker

ALICE = nonce_marker(1)
LIMIT_S = 120.0
PORTS = itertools.count(20_000 + os.getpid() % 10_000)
ABOUT = ServicesState(kernel="6.18", machine="x86_64", tools={"nginx": "1.22"}, programs=())
KEYS = server_keys.made().shared
QUOTA = Quota(offer_bytes=9000, session_bytes=9000, session_files=3, disk_free_min_bytes=0)


@dataclass
class Bench:
    state: Path
    remote: RemoteServices
    clock: Clock
    programs: Programs
    lab: Lab


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + LIMIT_S  # noqa: TID251 - a test
    while not condition():
        assert time.monotonic() < end  # noqa: TID251 - a test
        time.sleep(0.02)


def runs(pid: int) -> bool:
    """Say whether a process is there, and not only its end that nobody has asked for."""
    with contextlib.suppress(OSError):
        return bool(Path(f"/proc/{pid}/cmdline").read_bytes())
    return False


def free_port() -> int:
    """Return a port that nobody has, and that nobody gets who takes any (ip_local_port_range)."""
    for port in PORTS:
        with socket.socket() as one, contextlib.suppress(OSError):
            one.bind(("127.0.0.1", port))
            return port
    raise AssertionError


@contextmanager
def serving(folder: Path, clock: Clock, wanted: list[ServiceWanted]) -> Iterator[Bench]:
    control = folder / "c.sock"
    lab = Lab(work_directory=folder, stop=Stop(), own_network=True)
    folders = SessionFolders(folder, QUOTA, free_bytes=lambda _: 10**9)
    running = Programs(
        lab,
        folders.files,
        wanted,
        Caps(connections_count=8, upload_bytes=900_000, passive_ports=(50000, 50009), keys=KEYS),
        monotonic_ns=time.monotonic_ns,  # noqa: TID251 - a test
        wall_ns=clock,
    )
    process = ServicesProcess(running, folders, ABOUT, wall_ns=clock, random_bytes=os.urandom)
    with listen(control, backlog=8, what="process") as listening:
        thread = threading.Thread(target=process.serve, args=(listening,))
        thread.start()
        try:
            yield Bench(
                state=folder,
                remote=RemoteServices(control),
                clock=clock,
                programs=running,
                lab=lab,
            )
        finally:
            process.ending = True
            thread.join()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with serving(tmp_path, Clock(), []) as made:
        yield made


def problem(call: Callable[[], object]) -> str:
    with pytest.raises(ProblemError) as refused:
        call()
    return refused.value.problem.name


def test_an_account_is_made_once_and_everything_is_kept_by_it(bench: Bench) -> None:
    account = bench.remote.open(ALICE, until_ns=bench.clock() + 60 * S)
    assert bench.remote.open(ALICE, until_ns=0) == account
    assert account.user == ALICE
    assert len(account.password) == 24

    content = Content(seed="s", bytes=500, form="lines")
    made = bench.remote.offer(ALICE, "http", "x1", content)
    (bench.state / "files" / ALICE / "up" / "x1").write_bytes(
        (bench.state / "files" / ALICE / "down" / "x1").read_bytes()
    )
    assert bench.remote.received(ALICE, "http", "x1") == made
    bench.remote.discard(ALICE, "http", "x1")
    assert bench.remote.received(ALICE, "http", "x1") is None
    bench.remote.close(ALICE)
    assert problem(lambda: bench.remote.received(ALICE, "http", "x1")) == "services-closed"


def test_a_session_that_nobody_ends_ends_by_the_clock(bench: Bench) -> None:
    bench.remote.open(ALICE, until_ns=bench.clock() + 60 * S)
    bench.clock.forward(61)

    wait_for(
        lambda: (
            not any(
                path for place in ("files", "accounts") for path in (bench.state / place).iterdir()
            )
        )
    )


def test_a_restart_keeps_accounts_and_files(tmp_path: Path) -> None:
    clock = Clock()
    with serving(tmp_path, clock, []) as before:
        account = before.remote.open(ALICE, until_ns=clock() + 60 * S)
        before.remote.offer(ALICE, "http", "x1", Content(seed="s", bytes=5))
    with serving(tmp_path, clock, []) as after:
        assert after.remote.open(ALICE, until_ns=0) == account
        assert (tmp_path / "files" / ALICE / "down" / "x1").stat().st_size == 5


def test_services_that_are_away_are_told_as_that(tmp_path: Path) -> None:
    remote = RemoteServices(tmp_path / "nobody.sock")
    assert remote.available() is False
    assert problem(remote.state) == "services-unavailable"


@pytest.mark.parametrize(
    "octets", [b"", b"\n", b"{}\n", b"[1]\n", b"\xff\n", b'{"verb":"open"}\n', b"x" * LONGEST_LINE]
)
def test_no_words_end_the_process(bench: Bench, octets: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as caller:
        caller.connect(str(bench.state / "c.sock"))
        caller.sendall(octets)
        caller.shutdown(socket.SHUT_WR)
        caller.settimeout(LIMIT_S)
        answer = caller.recv(1000)
    assert answer == b'{"problem":"internal"}\n'
    assert bench.remote.available() is True


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"verb": "open", "marker": "../x", "until_ns": 1}, "session-unknown"),
        ({"verb": "close", "marker": "mpck-x"}, "session-unknown"),
        ({"verb": "received", "marker": ALICE, "service": "http", "name": "x"}, "services-closed"),
        ({"verb": "what"}, "internal"),
    ],
)
def test_what_does_not_fit_is_refused(
    bench: Bench, arguments: dict[str, object], name: str
) -> None:
    def call() -> object:
        return ask(bench.state / "c.sock", arguments, timeout_s=LIMIT_S, away="not-found")

    if name == "internal":
        assert problem(call) == "internal"
    else:
        assert problem(call) == name


def test_a_program_that_crashes_is_started_again_and_the_state_says_so(tmp_path: Path) -> None:
    clock, port = Clock(), free_port()
    wanted = ServiceWanted(service="ftp", transport="tcp", address="127.0.0.1", port=port)
    with serving(tmp_path, clock, [wanted]) as bench:

        def listens(restarts: int) -> bool:
            states = bench.remote.state().programs  # of those that can be used
            return [(one.alive, one.restarts_count) for one in states] == [(True, restarts)]

        wait_for(lambda: listens(0))
        account = bench.remote.open(ALICE, until_ns=clock() + 60 * S)
        [child] = bench.lab._children.values()
        os.killpg(child.pid, signal.SIGKILL)
        wait_for(lambda: listens(1))
        [state] = bench.remote.state().programs
        assert state.because == "it ended with -9"
        assert state.restarted_ns == clock()
        # who was let in before is let in again
        [users] = tmp_path.glob("programs/*/users")
        assert users.read_text().startswith(f"{account.user}:$6$")
        assert account.password not in users.read_text()
    assert not bench.lab._children


def test_workers_go_with_their_master_and_the_next_one_gets_its_port(tmp_path: Path) -> None:
    wanted = ServiceWanted(service="http", transport="tcp", address="127.0.0.1", port=free_port())
    with serving(tmp_path, Clock(), [wanted]) as bench:

        def listens(restarts: int) -> bool:
            states = bench.remote.state().programs
            return [(one.alive, one.restarts_count) for one in states] == [(True, restarts)]

        wait_for(lambda: listens(0))
        for restarts in (1, 2):
            [child] = bench.lab._children.values()
            tasks = Path(f"/proc/{child.pid}/task/{child.pid}/children")
            workers = [int(pid) for pid in tasks.read_text().split()]
            assert workers
            os.kill(child.pid, signal.SIGKILL)
            wait_for(partial(listens, restarts))
            assert not any(runs(pid) for pid in workers)


def test_a_program_that_cannot_be_told_is_not_alive_until_it_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = ServiceWanted(service="echo", transport="tcp", address="127.0.0.1", port=free_port())
    full = [False]

    def admit(*_: object) -> None:
        if full[0]:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(programs, "SHARED", {"echo": replace(SHARED["echo"], admit=admit)})
    monkeypatch.setattr(programs, "TOLD_AGAIN_NS", 0)
    with serving(tmp_path, Clock(), [wanted]) as bench:

        def alive(*, yes: bool) -> bool:
            return [one.alive for one in bench.remote.state().programs] == [yes]

        wait_for(lambda: alive(yes=True))
        full[0] = True
        assert bench.remote.open(ALICE, until_ns=bench.clock() + 60 * S).user == ALICE
        wait_for(lambda: alive(yes=False))
        full[0] = False
        wait_for(lambda: alive(yes=True))


def test_services_are_ready_once_each_program_hears_who_may_log_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # a signal that a program that knows nothing of it does not die of
    told = replace(SHARED["echo"], reload_signal=signal.SIGURG)
    wanted = ServiceWanted(service="echo", transport="tcp", address="127.0.0.1", port=free_port())
    monkeypatch.setattr(programs, "SHARED", {"echo": told})
    monkeypatch.setattr(programs, "DEAF_NS", 3600 * S)
    with serving(tmp_path, Clock(), [wanted]) as bench:
        wait_for(lambda: [one.alive for one in bench.remote.state().programs] == [True])
        assert bench.remote.available() is False
        monkeypatch.setattr(programs, "DEAF_NS", 0)
        wait_for(bench.remote.available)


def test_a_program_that_cannot_start_is_tried_again_and_harms_no_other(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        wanted = [
            ServiceWanted(service="ftp", transport="tcp", address="127.0.0.1", port=port)
            for port in (taken.getsockname()[1], free_port())
        ]
        with serving(tmp_path, Clock(), wanted) as bench:
            # something listens on the first one's port, and it is not that program
            harmed, well = bench.programs._programs
            wait_for(lambda: "ended" in harmed.because)
            wait_for(lambda: well.listens)
            assert bench.remote.available() is True
            assert well.wanted["port"] in {
                one.port for one in bench.remote.state().programs if one.alive
            }


def test_what_fails_in_the_services_is_in_their_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(SessionFolders, "offer", fail)
    clock = Clock()
    with caplog.at_level(logging.ERROR), serving(tmp_path, clock, []) as made:
        made.remote.open(ALICE, until_ns=clock() + 60 * S)
        content = Content(seed="s", bytes=5)
        assert problem(lambda: made.remote.offer(ALICE, "http", "x1", content)) == (
            "services-unavailable"
        )
    assert "offer failed: [Errno 1] Operation not permitted" in caplog.text


def test_the_log_says_once_what_is_offered(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO), serving(tmp_path, Clock(), []) as made:
        wait_for(lambda: made.remote.available() and "ready: " in caplog.text)
    assert caplog.text.count("ready: no application server") == 1
    places = (
        ("http", "::", 80),
        ("http", "::", 8080),
        ("http", "192.0.2.1", 80),
        ("ftp", "::", 21),
    )
    programs = [
        program(service, "mptcp", port, address=address) for service, address, port in places
    ]
    assert services_process._told(programs) == "http at 80 8080, ftp at 21"
