"""A server that speaks iperf3's protocol to many at once, with caps; towards the client only.

    python3 -m mptcp_guest.servers.iperf3 ADDRESS PORT FILES CONNECTIONS BYTES

iperf3's own serves one test at a time, and what a test may take is for its client to say.  Here a
test names its session (``--extra-data MARKER``), is one stream of TCP towards the client
(``--reverse``) and has a number of bytes.  The protocol is iperf3's source (``iperf_api.h``): a
cookie of 37 bytes begins each connection, the first one with it is the control, on which states are
single bytes and texts JSON after four bytes of length.
"""

import json
import queue
import re
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from mptcp_guest.clock import monotonic_ns
from mptcp_guest.servers import listening

COOKIE_BYTES = 37
TEXT_BYTES_MAX = 8192
BLOCK_BYTES_MAX = 1024 * 1024
MARKER = re.compile("mpck-[a-z2-7]{26}")

TEST_START, TEST_RUNNING, TEST_END = 1, 2, 4
PARAM_EXCHANGE, CREATE_STREAMS, EXCHANGE_RESULTS, DISPLAY_RESULTS = 9, 10, 13, 14
ACCESS_DENIED = -1


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a test is, as far as it may be chosen."""

    marker: str
    block_bytes: int
    blocks_count: int


def read_wanted(text: bytes, most_bytes: int) -> Wanted | None:
    """Read a client's parameters; nothing when it wants what is not given; PURE."""
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(said, dict):
        return None
    marker, total, block = said.get("extra_data"), said.get("num"), said.get("len")
    plain = said.get("tcp") is True and said.get("reverse") is True
    alone = said.get("parallel", 1) == 1 and not said.get("bidirectional")
    if not (plain and alone and isinstance(marker, str) and MARKER.fullmatch(marker)):
        return None
    if type(total) is not int or type(block) is not int:
        return None
    if not (0 < total <= most_bytes and 0 < block <= BLOCK_BYTES_MAX):
        return None
    return Wanted(marker, block, -(-total // block))


def results(sent_bytes: int, took_s: float) -> bytes:
    """Return what the sender tells at the end; PURE."""
    stream = {
        "id": 1,
        "bytes": sent_bytes,
        "retransmits": -1,
        "jitter": 0,
        "errors": 0,
        "packets": 0,
        "start_time": 0,
        "end_time": took_s,
    }
    processor = dict.fromkeys(("cpu_util_total", "cpu_util_user", "cpu_util_system"), 0)
    return json.dumps({**processor, "sender_has_retransmits": 0, "streams": [stream]}).encode()


@dataclass(slots=True)
class Test:
    """A test that waits for its stream."""

    streams: "queue.Queue[socket.socket]" = field(default_factory=lambda: queue.Queue(1))
    done: threading.Event = field(default_factory=threading.Event)


class Tests:
    """Those that run, by their cookie; a session has one at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_cookie: dict[bytes, Test] = {}
        self._markers: set[str] = set()

    @contextmanager
    def begun(self, cookie: bytes) -> Iterator[Test | None]:
        """Begin a test, or give none where the cookie is one's that runs."""
        made = Test()
        with self._lock:
            mine = self._by_cookie.setdefault(cookie, made) is made
        try:
            yield made if mine else None
        finally:
            made.done.set()
            if mine:
                with self._lock:
                    del self._by_cookie[cookie]

    def stream(self, cookie: bytes, connection: socket.socket) -> bool:
        """Give a connection to the test of its cookie; wait until that is over."""
        with self._lock:
            test = self._by_cookie.get(cookie)
        if test is None:
            return False
        with suppress(queue.Full):
            test.streams.put_nowait(connection)
            test.done.wait(listening.LIFE_S)
        return True

    @contextmanager
    def of(self, marker: str) -> Iterator[bool]:
        """Say whether a session may have a test now."""
        with self._lock:
            free = marker not in self._markers
            self._markers.add(marker)
        try:
            yield free
        finally:
            if free:
                with self._lock:
                    self._markers.discard(marker)


def talk(
    connection: socket.socket, stream: BinaryIO, tests: Tests, files: Path, most_bytes: int
) -> None:
    """Serve one connection: a control, or the stream of one.

    Raises:
        OSError: It went away, or says what is none of iperf3's.
    """
    cookie = stream.read(COOKIE_BYTES)
    if len(cookie) != COOKIE_BYTES or tests.stream(cookie, connection):
        return
    with tests.begun(cookie) as test:
        if test is None:
            return
        _state(connection, PARAM_EXCHANGE)
        wanted = read_wanted(_text(stream), most_bytes)
        if wanted is None or not (files / wanted.marker).is_dir():
            _state(connection, ACCESS_DENIED)
            return
        with tests.of(wanted.marker) as free:
            if not free:
                _state(connection, ACCESS_DENIED)
                return
            _run(connection, stream, test, wanted)


def _run(control: socket.socket, stream: BinaryIO, test: Test, wanted: Wanted) -> None:
    _state(control, CREATE_STREAMS)
    try:
        data = test.streams.get(timeout=listening.IDLE_S)
    except queue.Empty:
        raise OSError("no stream came") from None
    _state(control, TEST_START)
    _state(control, TEST_RUNNING)
    began_ns, block = monotonic_ns(), bytes(wanted.block_bytes)
    for _ in range(wanted.blocks_count):
        data.sendall(block)
    if stream.read(1) != bytes([TEST_END]):
        raise OSError("the test has no end")
    took_s = (monotonic_ns() - began_ns) / 1e9
    _state(control, EXCHANGE_RESULTS)
    _text(stream)
    told = results(wanted.blocks_count * wanted.block_bytes, took_s)
    control.sendall(len(told).to_bytes(4, "big") + told)
    _state(control, DISPLAY_RESULTS)
    stream.read(1)  # that it has them


def _state(control: socket.socket, state: int) -> None:
    control.sendall(state.to_bytes(1, "big", signed=True))


def _text(stream: BinaryIO) -> bytes:
    size = int.from_bytes(stream.read(4), "big")
    text = stream.read(size) if size <= TEXT_BYTES_MAX else b""
    if not text or len(text) != size:
        raise OSError(f"no text of {size} bytes")
    return text


def main(*words: str) -> None:
    """Serve without end."""
    address, port, files, count, most_bytes = words
    listener = listening.listening(address, int(port))
    tests, most = Tests(), int(most_bytes)

    def one(connection: socket.socket, stream: BinaryIO) -> None:
        talk(connection, stream, tests, Path(files), most)

    listening.serve(listener, one, connections_count=int(count))


if __name__ == "__main__":
    main(*sys.argv[1:])
