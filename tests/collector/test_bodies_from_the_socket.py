"""Requests on a real connection, whose bodies are read past the HTTP parser."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from collector_parts import RUN_ID, Clock, announcement, bundle, configuration, made
from collector_threaded import threaded
from mptcp_collector import serving, tus
from mptcp_collector.api import application
from mptcp_collector.api.taking import ROOM_BYTES
from mptcp_collector.collector import Collector

WAIT_S = 60
LARGE = bundle(size_bytes=3_500_000)
SMALL = bundle(size_bytes=3000)


class Wire:
    """One connection, byte for byte."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), WAIT_S)
        self._came = self.socket.makefile("rb")

    def send(self, *parts: bytes) -> None:
        self.socket.sendall(b"".join(parts))

    def answer(self) -> tuple[int, dict[str, str]]:
        """Read an answer; return its status and header fields."""
        status = int(self._came.readline().split()[1])
        fields = {}
        while line := self._came.readline().decode().strip():
            name, _, value = line.partition(":")
            fields[name.lower()] = value.strip()
        if status >= 200:
            self._came.read(int(fields.get("content-length", "0")))
        return status, fields

    def ended(self) -> bool:
        """Wait for the connection's end."""
        return self._came.read() == b""

    def close(self) -> None:
        self._came.close()
        self.socket.close()


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[Collector]:
    found = made(configuration(tmp_path, idle_s=1), Clock())
    yield found
    found.close()


@contextmanager
def wired(collector: Collector) -> Iterator[Wire]:
    with threaded(application.make(collector)) as (url, _):
        wire = Wire(int(url.rpartition(":")[2]))
        yield wire
        wire.close()


def head(octets: bytes, run_id: str = RUN_ID, **more: str) -> bytes:
    """Return the head of a request that creates an upload with all its bytes."""
    fields = announcement(octets, run_id) | {"Content-Type": tus.CONTENT_TYPE, "Host": "c"} | more
    fields.setdefault("Content-Length", str(len(octets)))
    lines = [f"{name}: {value}" for name, value in fields.items() if value]
    return "\r\n".join(["POST /api/v1/uploads HTTP/1.1", *lines, "", ""]).encode()


def health() -> bytes:
    return b"GET /api/v1/health HTTP/1.1\r\nHost: c\r\n\r\n"


@pytest.mark.parametrize(
    "size_bytes", [1, 3000, ROOM_BYTES - 1, ROOM_BYTES, ROOM_BYTES + 1, 3_500_000]
)
def test_one_connection_carries_upload_after_upload(collector: Collector, size_bytes: int) -> None:
    with wired(collector) as wire:
        for number in range(3):
            octets = bundle(number, size_bytes)
            wire.send(head(octets, f"run-on-a-wire-{number}"), octets)
            status, fields = wire.answer()
            assert (status, fields["upload-offset"]) == (201, str(size_bytes))
            wire.send(health())
            assert wire.answer()[0] == 200
            collector.receiving.run(f"run-on-a-wire-{number}")


@pytest.mark.parametrize("octets", [SMALL, LARGE])
def test_what_follows_a_body_at_once_is_the_next_request(
    collector: Collector, octets: bytes
) -> None:
    with wired(collector) as wire:
        sending = threading.Thread(
            target=wire.send, args=(head(octets), octets, health(), head(SMALL, "run-after"))
        )
        sending.start()
        assert wire.answer()[0] == 201
        assert wire.answer()[0] == 200
        sending.join()
        wire.send(SMALL)
        assert wire.answer()[0] == 201
    assert collector.receiving.run(RUN_ID).size_bytes == len(octets)
    assert collector.receiving.run("run-after").size_bytes == len(SMALL)


def test_a_body_that_comes_in_pieces_is_whole(collector: Collector) -> None:
    with wired(collector) as wire:
        wire.send(head(SMALL))
        for at in range(0, len(SMALL), 100):
            wire.send(SMALL[at : at + 100])
            threading.Event().wait(0.001)
        assert wire.answer()[0] == 201
    assert collector.receiving.run(RUN_ID).size_bytes == len(SMALL)


def test_a_body_in_chunks_is_taken_as_well(collector: Collector) -> None:
    with wired(collector) as wire:
        wire.send(head(SMALL, **{"Content-Length": "", "Transfer-Encoding": "chunked"}))
        for at in range(0, len(SMALL), 1000):
            piece = SMALL[at : at + 1000]
            wire.send(f"{len(piece):x}\r\n".encode(), piece, b"\r\n")
        wire.send(b"0\r\n\r\n")
        assert wire.answer()[0] == 201
        wire.send(health())
        assert wire.answer()[0] == 200
    assert collector.receiving.run(RUN_ID).size_bytes == len(SMALL)


def test_a_client_that_waits_to_be_told_is_told_to_go_on(collector: Collector) -> None:
    with wired(collector) as wire:
        wire.send(head(SMALL, Expect="100-continue"))
        assert wire.answer()[0] == 100
        wire.send(SMALL)
        assert wire.answer()[0] == 201
    assert collector.receiving.run(RUN_ID).size_bytes == len(SMALL)


@pytest.mark.parametrize("sent", [1000, 2_500_000])
def test_what_came_before_a_connection_broke_is_kept(collector: Collector, sent: int) -> None:
    with wired(collector) as wire:
        wire.send(head(LARGE), LARGE[:sent])
        wire.close()
        wait_for_offset(collector, sent)


def wait_for_offset(collector: Collector, count: int) -> None:
    for _ in range(WAIT_S * 100):
        found = collector.receiving.meta.uploads(finished=False)
        if found and collector.receiving.spool.size_bytes(found[0].id) == count:
            return
        threading.Event().wait(0.01)
    pytest.fail("the bytes are not kept")


def test_a_client_that_sends_nothing_any_more_is_told_so_and_cut_off(collector: Collector) -> None:
    with wired(collector) as wire:
        wire.send(head(LARGE), LARGE[:500_000])
        status, fields = wire.answer()
        assert (status, fields["content-type"]) == (400, "application/problem+json")
        assert wire.ended(), "what may still come is no request"
        wait_for_offset(collector, 500_000)


def test_a_refusal_in_the_middle_is_heard_and_the_connection_goes_on(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with wired(collector) as wire:
        with monkeypatch.context() as patched:
            patched.setattr("os.pwrite", full)
            wire.send(head(LARGE), LARGE)
            assert wire.answer()[0] == 507
        wire.send(head(LARGE), LARGE)
        assert wire.answer()[0] == 201
    assert collector.receiving.run(RUN_ID).size_bytes == len(LARGE)


def test_a_refusal_before_the_body_is_read_is_heard_and_the_connection_goes_on(
    collector: Collector,
) -> None:
    with wired(collector) as wire:
        wire.send(head(LARGE, **{"Upload-Length": str(1 << 40)}), LARGE)
        assert wire.answer()[0] == 413
        wire.send(health())
        assert wire.answer()[0] == 200


def test_no_answer_waits_for_an_acknowledgement() -> None:
    with serving.listening("127.0.0.1", 0) as at, socket.create_connection(at.getsockname()):
        accepted, _ = at.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
