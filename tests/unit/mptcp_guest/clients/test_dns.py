import socket
import struct
from concurrent.futures import ThreadPoolExecutor

import pytest

from mptcp_guest import dns_message
from mptcp_guest.clients import dns
from mptcp_guest.dns_message import HEADER, IN, RECORD, TXT


def answered(query: bytes, text: bytes) -> bytes:
    (number,) = struct.unpack_from("!H", query)
    data = bytes([len(text)]) + text
    record = b"\xc0\x0c" + RECORD.pack(TXT, IN, 0, len(data)) + data
    whole = HEADER.pack(number, 0x8400, 1, 1, 0, 0) + query[HEADER.size :] + record
    return struct.pack("!H", len(whole)) + whole


def queries(count: int) -> list[bytes]:
    zone = dns.DNS_ZONE
    return [dns_message.query(f"{n}.x.{zone}", number=n) for n in range(count)]


def told(answers: bytes, count: int) -> bytes:
    """Return what the client makes of these answers, which come a few bytes at a time."""
    ours, theirs = socket.socketpair()
    with ours, theirs, ThreadPoolExecutor(1) as pool:
        asking = pool.submit(dns.ask, ours, "x", count)
        asked = b"".join(struct.pack("!H", len(q)) + q for q in queries(count))
        came = b""
        while len(came) < len(asked):
            came += theirs.recv(100)
        assert came == asked
        for at in range(0, len(answers), 7):
            theirs.send(answers[at : at + 7])
        theirs.shutdown(socket.SHUT_WR)
        return asking.result(60)


def test_answers_in_any_order_are_put_in_order() -> None:
    parts = [answered(q, bytes([65 + n])) for n, q in enumerate(queries(3))]
    assert told(b"".join(reversed(parts)), 3) == b"ABC"


def test_a_connection_that_ends_early_is_told() -> None:
    with pytest.raises(OSError, match="the connection ended after 2 of "):
        told(answered(queries(1)[0], b"x")[:4], 1)


def test_an_answer_to_nothing_is_told() -> None:
    stray = answered(dns_message.query("x", number=9), b"x")
    with pytest.raises(OSError, match="an answer to question 9"):
        told(stray, 1)
