"""The door with real sockets: caps before TLS, an end to patience, certificates anew."""

import asyncio
import contextlib
import dataclasses
import datetime as dt
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from measurement_server import Parts, parts, problem_of
from mptcp_check.server import metrics
from mptcp_check.server.serving import api_run, self_signed
from mptcp_check.server.serving.caps import ConnectionCaps
from mptcp_check.server.serving.door import Door
from mptcp_check.server.serving.measures import Measures
from mptcp_check.server.serving.tls import Certificates

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
PATIENT_S = 60.0


@dataclass
class Running:
    """A door that is open, in a loop of its own."""

    door: Door
    server: Parts
    port: int
    certificates: Certificates
    folder: Path

    def connect(self, *, tls: bool = True) -> socket.socket:
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENT_S)
        if not tls:
            return plain
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        try:
            return context.wrap_socket(plain)
        except OSError:  # a busy machine may need longer than the server's patience
            plain.close()
            return self.connect()

    def ask(self, octets: bytes) -> bytes:
        with self.connect() as connection:
            connection.sendall(octets)
            return everything(connection) or self.ask(octets)  # as above


def everything(connection: socket.socket) -> bytes:
    """Read to the end, be it an orderly one or not."""
    octets = b""
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        while more := connection.recv(65536):
            octets += more
    return octets


@contextlib.contextmanager
def running(
    folder: Path, more: str = "", *, all_max: int = 20, netblock_max: int = 10
) -> Iterator[Running]:
    self_signed.make(
        ["127.0.0.1"],
        certificate=folder / "certificate.pem",
        private_key=folder / "key.pem",
        now=NOW,
        days=3650,
    )
    with parts(folder, more) as server:
        certificates = Certificates(folder / "certificate.pem", folder / "key.pem")
        caps = ConnectionCaps(all_max=all_max, netblock_max=netblock_max)
        config = api_run.uvicorn_config(server.sessions)
        listening = socket.create_server(("127.0.0.1", 0))
        door = Door(server.configuration, config, certificates, caps)
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever)
        thread.start()

        async def begin() -> None:
            door.open([listening])

        async def end() -> None:
            await door.close(within_s=5)
            await loop.shutdown_default_executor()

        asyncio.run_coroutine_threadsafe(begin(), loop).result(PATIENT_S)
        try:
            yield Running(
                door=door,
                server=server,
                port=listening.getsockname()[1],
                certificates=certificates,
                folder=folder,
            )
        finally:
            asyncio.run_coroutine_threadsafe(end(), loop).result(PATIENT_S)
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()
            listening.close()


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENT_S  # noqa: TID251 - a test
    while not condition():
        assert time.monotonic() < end  # noqa: TID251 - a test
        time.sleep(0.01)


def test_a_request_is_answered_and_the_connection_kept(tmp_path: Path) -> None:
    with running(tmp_path) as up, up.connect() as connection:
        for _ in range(3):
            connection.sendall(b"GET /v1/health HTTP/1.1\r\nHost: x\r\n\r\n")
            answer = b""
            while not answer.endswith(b"}"):
                answer += connection.recv(65536)
            assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
            assert b"server:" not in answer.lower().split(b"\r\n\r\n")[0]
        assert up.door.caps.open == {"127.0.0.0/24": 1}


def test_connections_beyond_a_netblocks_cap_are_refused_before_tls(tmp_path: Path) -> None:
    with running(tmp_path, netblock_max=3) as up, contextlib.ExitStack() as held:
        first = up.connect()
        for _ in range(2):
            held.enter_context(up.connect())
        # The reset comes at once, perhaps before connect() has returned.
        with contextlib.suppress(ConnectionError), up.connect(tls=False) as beyond:
            assert everything(beyond) == b""
        wait_for(lambda: up.door.caps.refused_count == 1)
        first.close()
        wait_for(lambda: up.door.caps.open_count == 2)
        held.enter_context(up.connect())
        held.close()
        wait_for(lambda: up.door.caps.open == {})


@pytest.mark.parametrize(
    "said",
    [b"", b"GET /v1/hea", b"POST /v1/clock HTTP/1.1\r\nHost: x\r\nContent-Length: 90\r\n\r\n{"],
    ids=["silence", "half a line", "half a body"],
)
def test_a_request_that_is_not_whole_in_time_is_cut_off(tmp_path: Path, said: bytes) -> None:
    with running(tmp_path, "[api]\nrequest_within_s = 2") as up, up.connect() as slow:
        slow.sendall(said)
        assert everything(slow) == b""
        wait_for(lambda: up.door.caps.open_count == 0)
        assert up.door.cut_counts["the request was not whole in time"] >= 1


def test_slowloris_with_a_byte_now_and_then_is_cut_off_and_others_are_served(
    tmp_path: Path,
) -> None:
    with running(tmp_path, "[api]\nrequest_within_s = 2") as up:
        slow = [up.connect() for _ in range(8)]
        for byte in b"GET /v1/health HTTP/1.1\r\nX: ":
            for one in slow:
                with contextlib.suppress(OSError):
                    one.sendall(bytes([byte]))
            time.sleep(0.05)
        request = b"GET /v1/health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        assert up.ask(request).startswith(b"HTTP/1.1 200")
        wait_for(lambda: up.door.caps.open_count == 0)
        for one in slow:
            one.close()


def test_a_client_that_never_begins_tls_is_cut_off(tmp_path: Path) -> None:
    with running(tmp_path, "[api]\nrequest_within_s = 2") as up, up.connect(tls=False) as mute:
        assert everything(mute) == b""
        wait_for(lambda: up.door.caps.open_count == 0)
        assert up.door.cut_counts == {"no TLS handshake": 1}


def test_a_client_that_reads_nothing_is_cut_off_and_what_it_got_is_counted(tmp_path: Path) -> None:
    with running(tmp_path, "[api]\nstalled_after_s = 1") as up:
        size = 64 * 2**20
        up.server.captures.octets = bytes(size)
        held = up.server.session(up.server.client("127.0.0.1"))
        held.post("/capture/start")
        held.post("/capture/stop")
        with up.connect() as lazy:
            lines = [f"GET {held.path}/capture/file HTTP/1.1", "Host: x"]
            lines += [f"{name}: {value}" for name, value in held.headers.items()]
            lazy.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
            wait_for(lambda: up.door.caps.open_count == 0)
        reason = "the client took nothing of its answer"
        assert up.door.cut_counts == {reason: 1}
        store, now_ns = up.server.sessions.store, up.server.clock.now_ns
        wait_for(lambda: 0 < store.used("127.0.0.0/24", now_ns=now_ns)[1] < size)


@pytest.mark.parametrize(
    "octets",
    [
        b"\x00\x01\x02\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",  # no Host
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n",
    ],
)
def test_what_is_no_http_gets_a_problem_document_and_an_end(tmp_path: Path, octets: bytes) -> None:
    with running(tmp_path) as up:
        answer = up.ask(octets)
        assert answer.startswith(b"HTTP/1.1 400 ")
        head, _, body = answer.partition(b"\r\n\r\n")
        assert b"application/problem+json" in head
        assert problem_of(body) == "bad-request"


def test_a_head_that_is_too_large_is_refused_however_it_comes(tmp_path: Path) -> None:
    with running(tmp_path) as up:
        head = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX: "
        for size in (17_000, 70_000):
            answer = up.ask(head + b"y" * size + b"\r\n\r\n")
            name = problem_of(answer.partition(b"\r\n\r\n")[2])
            assert name in ("request-too-large", "bad-request")


def test_a_request_beyond_the_limit_is_refused_while_it_comes(tmp_path: Path) -> None:
    with running(tmp_path) as up:
        head = b"POST /v1/clock HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n"
        answer = up.ask(head + b"Connection: close\r\n\r\n" + b"x" * 1000)
        assert problem_of(answer.partition(b"\r\n\r\n")[2]) == "request-too-large"


def test_certificates_are_read_again_for_new_connections_and_bad_ones_are_not_taken(
    tmp_path: Path,
) -> None:
    with running(tmp_path) as up:

        def shown() -> bytes | None:
            with up.connect() as connection:
                assert isinstance(connection, ssl.SSLSocket)
                return connection.getpeercert(binary_form=True)

        before = shown()
        for name in ("certificate.pem", "key.pem"):
            (tmp_path / name).unlink()
        self_signed.make(
            ["127.0.0.1"],
            certificate=tmp_path / "certificate.pem",
            private_key=tmp_path / "key.pem",
            now=NOW,
            days=3000,
        )
        assert shown() == before
        api_run._reload(up.certificates)
        after = shown()
        assert after != before
        (tmp_path / "key.pem").write_text("no key")
        api_run._reload(up.certificates)
        assert shown() == after


def test_sockets_of_systemd_are_taken_over() -> None:
    script = (
        "import os, sys\n"
        "from mptcp_check.server.serving.sockets import passed\n"
        "os.dup2(int(sys.argv[1]), 3)\n"
        "own = os.getpid()\n"
        "(one,) = passed({'LISTEN_FDS': '1', 'LISTEN_PID': str(own)}, own)\n"
        "print(one.getsockname()[1], passed({'LISTEN_PID': '1', 'LISTEN_FDS': '1'}, 2))\n"
    )
    with socket.create_server(("127.0.0.1", 0)) as listening:
        done = subprocess.run(
            [sys.executable, "-c", script, str(listening.fileno())],
            pass_fds=[listening.fileno()],
            capture_output=True,
            check=True,
            text=True,
        )
        assert done.stdout == f"{listening.getsockname()[1]} []\n"


def test_the_metrics_tell_of_programs_the_certificate_and_the_disk(tmp_path: Path) -> None:
    with running(tmp_path) as made:
        [http] = made.server.services.programs
        made.server.services.programs = (
            dataclasses.replace(http, restarts_count=2),
            dataclasses.replace(http, address="::", alive=False, restarts_count=1),
        )
        measures = Measures(made.server.sessions, made.door, made.certificates)
        text = measures.text()
        made.server.services.away = True
        away = measures.text()

    def read(text: str) -> dict[str, float]:
        return {
            one.name.removeprefix(metrics.PREFIX) + one.labels.get("service", ""): one.value
            for family in text_string_to_metric_families(text)
            for one in family.samples
        }

    found = read(text)
    assert (found["services_up"], found["service_programs_runninghttp"]) == (1, 1)
    assert found["service_restarts_totalhttp"] == 3
    assert found["certificate_expires_timestamp_seconds"] == NOW.timestamp() + 3650 * 86_400
    assert found["disk_free_bytes"] > 0
    assert read(away)["services_up"] == 0
