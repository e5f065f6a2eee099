import http.server
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from mptcp_check.doctor import server
from mptcp_check.doctor.check import Question, Status
from mptcp_check.doctor.server import Answer, judge
from mptcp_check.settings import Places

URL = urlsplit("https://measure.example/start")
NOON = "Fri, 20 Nov 2026 12:00:00 GMT"
NOON_NS = 1_795_176_000 * 10**9
PLACES = Places(
    images=Path("/i"),
    runs=Path("/r"),
    failures=Path("/f"),
    vagrant=Path("/v"),
    accelerators=Path("/a.json"),
    catalogues=Path("/c.json"),
)


def answer(
    status: int = 200, late_s: float = 0, headers: Mapping[str, str] | None = None
) -> Answer:
    now_ns = NOON_NS + int(late_s * 1e9)
    return Answer(
        status=status,
        headers={"date": NOON, **(headers or {})},
        asked_ns=now_ns,
        answered_ns=now_ns,
    )


def statuses(given: Answer) -> dict[str, Status]:
    return {c.name: c.status for c in judge(URL, given)}


def test_a_server_that_answers_by_our_clock_is_well() -> None:
    assert statuses(answer()) == {
        "Server": Status.PASS,
        "Captive portal": Status.PASS,
        "Clock and the server's": Status.PASS,
    }


@pytest.mark.parametrize("status", [200, 301, 404, 500])
def test_any_word_of_the_server_itself_is_no_portal(status: int) -> None:
    given = answer(status, headers={"location": "https://measure.example/elsewhere"})
    assert statuses(given)["Captive portal"] is Status.PASS


@pytest.mark.parametrize(
    "given",
    [
        answer(302, headers={"location": "http://login.hotel.example/?from=measure"}),
        answer(511),
        Answer(trouble="self-signed certificate", certificate_refused=True),
    ],
)
def test_a_network_that_wants_a_login_is_found(given: Answer) -> None:
    (check,) = [c for c in judge(URL, given) if c.name == "Captive portal"]
    assert check.status is Status.FAIL
    assert "browser" in check.advice


@pytest.mark.parametrize(
    ("late_s", "status", "words"),
    [
        (0.9, Status.PASS, "agree"),
        (5.9, Status.PASS, "agree"),
        (61, Status.WARN, "60 s ahead of"),
        (-90, Status.WARN, "90 s behind"),
    ],
)
def test_clocks_are_compared_with_what_a_date_can_say(
    late_s: float, status: Status, words: str
) -> None:
    (check,) = [c for c in judge(URL, answer(late_s=late_s)) if c.name.startswith("Clock")]
    assert check.status is status
    assert words in check.detail


@pytest.mark.parametrize("date", ["", "yesterday", "Fri, 99 Nov 2026 12:00:00 GMT"])
def test_a_server_without_a_date_gives_no_comparison(date: str) -> None:
    assert "Clock and the server's" not in statuses(answer(headers={"date": date}))


def test_a_server_that_cannot_be_reached_fails() -> None:
    (check,) = judge(URL, Answer(trouble="Connection refused"))
    assert (check.name, check.status) == ("Server", Status.FAIL)
    assert "Connection refused" in check.detail


class Portal(http.server.BaseHTTPRequestHandler):
    def do_HEAD(self) -> None:
        self.send_response(302)
        self.send_header("Location", "http://login.example/")
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@contextmanager
def portal() -> Iterator[int]:
    with http.server.HTTPServer(("127.0.0.1", 0), Portal) as listening:
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        try:
            yield listening.server_address[1]
        finally:
            listening.shutdown()
            thread.join()


def asked(url: str) -> dict[str, Status]:
    return {c.name: c.status for c in server.server(Question(places=PLACES, server=url))}


def test_a_real_portal_is_found() -> None:
    with portal() as port:
        found = asked(f"http://127.0.0.1:{port}")
    assert found["Captive portal"] is Status.FAIL
    assert found["Clock and the server's"] is Status.PASS


def test_garbage_and_silence_are_a_server_that_cannot_be_reached() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer_garbage() -> None:
            connection = listening.accept()[0]
            with connection:
                connection.recv(4096)
                connection.sendall(b"\x00garbage\r\n\r\n")

        thread = threading.Thread(target=answer_garbage)
        thread.start()
        port = listening.getsockname()[1]
        assert asked(f"http://127.0.0.1:{port}") == {"Server": Status.FAIL}
        thread.join()
    assert asked(f"http://127.0.0.1:{port}") == {"Server": Status.FAIL}


@pytest.mark.parametrize("url", ["", "ssh:host", "http://", "ftp://measure.example"])
def test_nobody_is_asked_without_a_server_that_has_a_page(url: str) -> None:
    assert asked(url) == {}


def test_a_port_that_cannot_be_is_told() -> None:
    assert asked("http://127.0.0.1:99999") == {"Server": Status.FAIL}
