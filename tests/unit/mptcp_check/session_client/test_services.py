import contextlib
import errno
import http.client
import socket
import ssl
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mptcp_check.errors import ServerError
from mptcp_check.server.problem import TITLES
from mptcp_check.session_client import refusals, services
from mptcp_check.session_client.connection import Connection, RefusedError, UnreachableError
from mptcp_check.session_client.server_list import KnownServer

SERVER = KnownServer(host="a.example", port=1)
MARKER = "mpck-" + "a" * 26
DOCUMENT = {
    "user": MARKER,
    "password": "0f" * 12,
    "folder": MARKER,
    "addresses": ["192.0.2.1", "2001:db8::1"],
    "families": [4, 6],
    "kernel": "6.18",
    "machine": "x86_64",
    "tools": {"nginx": "1.22"},
    "passive_ports": [50000, 50999],
    "programs": [
        {"service": "http", "transport": "mptcp", "port": 80, "alive": True, "restarts_count": 0},
        {"service": "http", "transport": "mptcp", "port": 81, "alive": True, "restarts_count": 0},
        {"service": "ftp", "transport": "tcp", "port": 2121, "alive": False, "restarts_count": 3},
    ],
}


def test_what_a_server_tells_is_read() -> None:
    found = services.read(SERVER, DOCUMENT)

    assert (found.user, found.passive_ports) == (MARKER, (50000, 50999))
    assert found.ports("http", "mptcp") == (80, 81)
    assert found.ports("ftp", "mptcp") == ()
    assert found.programs[2].restarts_count == 3
    assert found.families == (4, 6)
    without = {name: value for name, value in DOCUMENT.items() if name != "families"}
    assert services.read(SERVER, without).families == (4, 6), "a server of before they were told"
    assert "0f0f" not in repr(found)


@pytest.mark.parametrize(
    "changes",
    [
        {"user": "a b"},
        {"user": "--option"[:0]},
        {"password": "x\r\nDELE y"},
        {"folder": "../.."[:5]},
        {"addresses": ["here"]},
        {"addresses": 7},
        {"passive_ports": [1]},
        {"passive_ports": [0, 70000]},
        {"programs": [{"service": "http"}]},
        {"programs": None},
        {"tools": []},
        {"families": 4},
        {"families": [5]},
        {"families": ["6"]},
    ],
)
def test_what_does_not_fit_is_not_taken(changes: dict[str, object]) -> None:
    with pytest.raises(ServerError, match="does not understand"):
        services.read(SERVER, DOCUMENT | changes)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(sorted(DOCUMENT)), ANYTHING), ANYTHING)
def test_nothing_that_is_said_does_more_than_not_fit(
    changes: dict[str, object], other: object
) -> None:
    for read, document in ((services.read, DOCUMENT | changes), (services.digest, other)):
        with contextlib.suppress(ServerError):
            read(SERVER, document)  # type: ignore[operator]


def test_every_refusal_that_a_run_can_meet_has_words_of_its_own() -> None:
    ours = {"bad-request", "not-found", "method-not-allowed", "request-too-large",
            "request-invalid", "request-too-small", "range-not-satisfiable", "internal",
            "capture-missing", "capture-running", "capture-ended", "services-closed"}  # fmt: skip
    assert set(refusals.TOLD) == set(TITLES) - ours
    assert refusals.told("never-heard", "Its own title") == ("refuses: Its own title", "")


def test_who_answers_in_a_servers_place_is_told_as_that() -> None:
    server = KnownServer(host="192.0.2.1", port=34380)
    portal = RefusedError(server, name="", title="Log in", status=511)
    assert portal.message == (
        "https://192.0.2.1:34380 does not answer as a measurement server, but with status 511"
    )
    assert "captive portal" in portal.hint


def test_who_speaks_no_tls_is_told_as_that() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: http://portal/\r\n\r\n")
                connection.recv(65536)

        portal = threading.Thread(target=answer)
        portal.start()
        server = KnownServer(host="127.0.0.1", port=listening.getsockname()[1])
        with pytest.raises(UnreachableError, match="what answers does not speak TLS") as said:
            Connection(server=server, timeout_s=60).ask("GET", "/v1/health")
        portal.join()
    assert said.value.hint == refusals.PORTAL
    assert refusals.gone(said.value.cause) == refusals.PORTAL  # also in mid-run


def test_a_certificate_that_is_not_the_known_one_is_told_with_its_own_next_step() -> None:
    words = "the certificate is not the one whose fingerprint is known"
    error = ssl.SSLError(ssl.SSL_ERROR_SSL, words)
    said = UnreachableError(SERVER, error)
    assert said.message.endswith(f"reached: {words}")
    assert said.hint == refusals.gone(error)
    assert "ask its operator" in said.hint


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (ConnectionResetError(), True),
        (OSError(errno.ENETUNREACH, "no route"), True),
        (ssl.SSLEOFError(), True),
        (ssl.SSLCertVerificationError(), False),
        (TimeoutError(), False),
        (http.client.BadStatusLine("x"), False),
    ],
)
def test_what_may_be_over_in_a_moment_is_asked_again(error: Exception, *, passes: bool) -> None:
    assert refusals.passing(error) is passes
