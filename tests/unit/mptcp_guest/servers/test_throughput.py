"""The server that speaks iperf3's protocol: what it gives, to whom, and how much."""

import json
import socket
import threading
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mptcp_guest.servers import iperf3

MARKER = "mpck-" + "a7" * 13
MOST_BYTES = 10_000
PARAMETERS = {
    "tcp": True,
    "reverse": True,
    "num": 2500,
    "len": 1000,
    "parallel": 1,
    "extra_data": MARKER,
}


def wanted(**changes: object) -> iperf3.Wanted | None:
    return iperf3.read_wanted(json.dumps(PARAMETERS | changes).encode(), MOST_BYTES)


def test_a_test_is_whole_blocks_towards_the_client() -> None:
    assert wanted() == iperf3.Wanted(MARKER, 1000, 3)


@pytest.mark.parametrize(
    "changes",
    [
        *({"tcp": False}, {"reverse": False}, {"parallel": 2}, {"bidirectional": 1}),
        *({"num": 0}, {"num": MOST_BYTES + 1}, {"num": "1"}, {"num": True}, {"len": 0}),
        *(
            {"len": 2**30},
            {"extra_data": None},
            {"extra_data": "x"},
            {"extra_data": MARKER + "/.."},
        ),
    ],
)
def test_what_is_not_given_is_refused(changes: dict[str, object]) -> None:
    assert wanted(**changes) is None


@given(
    st.binary(max_size=80)
    | st.dictionaries(
        st.sampled_from(sorted(PARAMETERS)), st.none() | st.integers() | st.text(max_size=9)
    ).map(lambda said: json.dumps(said).encode())
)
def test_no_parameters_raise(text: bytes) -> None:
    assert iperf3.read_wanted(text, MOST_BYTES) is None


class Client:
    """One connection to a server that runs in a thread."""

    def __init__(self, tests: iperf3.Tests, files: Path, cookie: bytes) -> None:
        self.line, theirs = socket.socketpair()
        self.line.settimeout(60)

        def serve() -> None:
            with theirs, theirs.makefile("rb") as stream, suppress(OSError):
                iperf3.talk(theirs, stream, tests, files, MOST_BYTES)

        self.serving = threading.Thread(target=serve)
        self.serving.start()
        self.line.sendall(cookie)

    def state(self) -> int:
        return int.from_bytes(self.line.recv(1), "big", signed=True)

    def parameters(self) -> int:
        assert self.state() == iperf3.PARAM_EXCHANGE
        text = json.dumps(PARAMETERS).encode()
        self.line.sendall(len(text).to_bytes(4, "big") + text)
        return self.state()

    def end(self) -> None:
        self.line.close()
        self.serving.join()


def test_a_session_has_one_test_at_a_time(tmp_path: Path) -> None:
    (tmp_path / MARKER).mkdir()
    tests = iperf3.Tests()
    control = Client(tests, tmp_path, b"c" * 37)
    assert control.parameters() == iperf3.CREATE_STREAMS
    second = Client(tests, tmp_path, b"d" * 37)
    assert second.parameters() == iperf3.ACCESS_DENIED
    second.end()
    data = Client(tests, tmp_path, b"c" * 37)
    assert (control.state(), control.state()) == (iperf3.TEST_START, iperf3.TEST_RUNNING)
    came = 0
    while came < 3000:
        came += len(data.line.recv(65536))
    control.line.sendall(bytes([iperf3.TEST_END]))
    assert control.state() == iperf3.EXCHANGE_RESULTS
    control.line.sendall(b"\0\0\0\2{}")
    size = int.from_bytes(control.line.recv(4), "big")
    told = b""
    while len(told) < size:
        told += control.line.recv(size - len(told))
    assert json.loads(told)["streams"][0]["bytes"] == 3000
    assert control.state() == iperf3.DISPLAY_RESULTS
    control.line.sendall(b"\x10")
    for one in (control, data):
        one.end()
    again = Client(tests, tmp_path, b"e" * 37)
    assert again.parameters() == iperf3.CREATE_STREAMS
    again.line.sendall(b"x")
    data = Client(tests, tmp_path, b"e" * 37)
    for one in (again, data):  # a client that says what is no end
        one.serving.join()
        one.line.close()


def test_a_stranger_has_none(tmp_path: Path) -> None:
    stranger = Client(iperf3.Tests(), tmp_path, b"c" * 37)
    assert stranger.parameters() == iperf3.ACCESS_DENIED
    stranger.end()
