import datetime as dt
import http.server
import json
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from mptcp_check import clock
from mptcp_check.doctor import server
from mptcp_check.doctor.check import Check, Question, Status
from mptcp_check.doctor.server import Answer, judge_portal, judge_skew
from mptcp_check.machines.wishes import measurement_server
from mptcp_check.server.serving import self_signed
from mptcp_check.session_client.clock_offset import Offset
from mptcp_check.settings import Places

PLACES = Places(
    images=Path("/i"),
    runs=Path("/r"),
    failures=Path("/f"),
    vagrant=Path("/v"),
    accelerators=Path("/a.json"),
    catalogues=Path("/c.json"),
)
HEALTHY = {"status": "ok", "services": "ready", "capture": "ready"}
LOGIN = {"location": "http://login.hotel.example/?from=measure"}


def found_at(host: str, status: int, headers: Mapping[str, str] | None = None) -> list[Check]:
    return list(judge_portal(host, Answer(status=status, headers=headers or {})))


@pytest.mark.parametrize("status", [200, 301, 404, 500])
def test_any_word_of_the_server_itself_is_no_portal(status: int) -> None:
    own = {"location": "https://measure.example/elsewhere"}
    assert found_at("measure.example", status, own) == []
    assert list(judge_portal("measure.example", None)) == []


@pytest.mark.parametrize(("status", "headers"), [(302, LOGIN), (511, {})])
def test_a_network_that_wants_a_login_is_found(status: int, headers: dict[str, str]) -> None:
    (check,) = found_at("measure.example", status, headers)
    assert (check.name, check.status) == ("Captive portal", Status.FAIL)
    assert "browser" in check.advice


@pytest.mark.parametrize(
    ("offset_s", "status", "words"),
    [
        (0.9, Status.PASS, "agree to 1.0 s"),
        (-4.9, Status.PASS, "agree to 5.0 s"),
        (61, Status.WARN, "61 s behind"),
        (-90, Status.WARN, "90 s ahead of"),
    ],
)
def test_clocks_are_compared(offset_s: float, status: Status, words: str) -> None:
    found = Offset(
        offset_ns=int(offset_s * 1e9),
        error_ns=10**8,
        round_trip_ns=10**7,
        exchange_count=3,
        stepped=False,
    )
    (check,) = judge_skew(found)
    assert check.status is status
    assert words in check.detail
    assert list(judge_skew(None)) == []


class Speaking(http.server.BaseHTTPRequestHandler):
    """A measurement server as far as the doctor asks it, or whatever else answers there."""

    health: Mapping[str, str] = HEALTHY

    def do_GET(self) -> None:
        self._say(self.health)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        now_ns = clock.wall_ns()
        self._say({"server_received_ns": now_ns, "server_sent_ns": now_ns})

    def do_HEAD(self) -> None:
        self.send_response(302)
        self.send_header("Location", LOGIN["location"])
        self.end_headers()

    def _say(self, document: Mapping[str, object]) -> None:
        body = json.dumps(document).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None: ...


class Drained(Speaking):
    health: Mapping[str, str] = {**HEALTHY, "status": "lame-duck"}


@contextmanager
def listening(handler: type[Speaking], context: ssl.SSLContext | None = None) -> Iterator[int]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as here:
        here.daemon_threads = True
        if context is not None:
            here.socket = context.wrap_socket(here.socket, server_side=True)
        thread = threading.Thread(target=here.serve_forever)
        thread.start()
        try:
            yield here.server_address[1]
        finally:
            here.shutdown()
            thread.join()


@contextmanager
def refusing() -> Iterator[int]:
    """Give a port at which nobody listens, and that nobody else gets."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


Certified = tuple[ssl.SSLContext, str]
"""What serves a certificate, and its fingerprint."""


@pytest.fixture(scope="module")
def certified(tmp_path_factory: pytest.TempPathFactory) -> Certified:
    folder = tmp_path_factory.mktemp("certificate")
    certificate, key = folder / "cert.pem", folder / "key.pem"
    now = dt.datetime.fromtimestamp(clock.wall_ns() // 10**9, tz=dt.UTC)
    fingerprint = self_signed.make(
        ["127.0.0.1"], certificate=certificate, private_key=key, now=now, days=2
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context, fingerprint.strip()


def asked(wish: str) -> dict[str, Check]:
    wanted = measurement_server(wish, lambda _: ())
    return {c.name: c for c in server.server(Question(places=PLACES, server=wanted))}


def test_a_server_that_takes_sessions_is_well(certified: Certified) -> None:
    context, fingerprint = certified
    with listening(Speaking, context) as port:
        found = asked(f"https://127.0.0.1:{port},fingerprint={fingerprint}")
    assert {name: check.status for name, check in found.items()} == {
        "Server": Status.PASS,
        "Captive portal": Status.PASS,
        "Clock and the server's": Status.PASS,
    }
    assert "takes sessions" in found["Server"].detail


def test_a_certificate_of_ones_own_is_told_how_to_be_named(
    certified: Certified, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "_page", lambda _: None)
    with listening(Speaking, certified[0]) as port:
        (check,) = asked(f"https://127.0.0.1:{port}").values()
    assert (check.name, check.status) == ("Server", Status.FAIL)
    assert ",fingerprint=SHA256" in check.advice


def test_a_server_that_is_drained_fails(
    certified: Certified, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "_page", lambda _: None)
    with listening(Drained, certified[0]) as port:
        (check,) = asked(f"https://127.0.0.1:{port},fingerprint={certified[1]}").values()
    assert check.status is Status.FAIL
    assert "is being drained" in check.detail


def test_where_the_server_does_not_answer_a_portal_is_looked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with listening(Speaking) as web, refusing() as port:
        monkeypatch.setattr(server, "WEB_PORT", web)
        found = asked(f"https://127.0.0.1:{port}")
        monkeypatch.setattr(server, "WEB_PORT", port)
        alone = asked(f"https://127.0.0.1:{port}")
    assert found["Server"].status is Status.FAIL
    assert "led to login.hotel.example" in found["Captive portal"].detail
    assert alone.keys() == {"Server"}


def test_a_box_that_ssh_does_not_reach_fails() -> None:
    with refusing() as port:
        (check,) = asked(f"ssh:127.0.0.1:{port}").values()
    assert (check.name, check.status) == ("Server", Status.FAIL)
    assert "cannot be reached by ssh" in check.detail


def test_nobody_is_asked_without_a_server() -> None:
    assert list(server.server(Question(places=PLACES))) == []
