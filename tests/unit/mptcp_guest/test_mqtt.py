import base64
import hashlib
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mptcp_guest import mqtt
from mptcp_guest.serving.mqtt import ROUNDS, users_line


@given(st.binary(max_size=600))
def test_any_bytes_are_a_packet_or_strange(text: bytes) -> None:
    try:
        first, body = mqtt.read(io.BytesIO(text))
    except mqtt.StrangePacketError:
        return
    assert first == text[0]
    assert len(body) < len(text)


@given(st.integers(0, 255), st.integers(0, 40_000))
def test_what_is_written_is_read(first: int, size: int) -> None:
    body = bytes(size)
    stream = io.BytesIO(mqtt.packet(first, body) + b"next")
    assert mqtt.read(stream) == (first, body)
    assert stream.read() == b"next"


@given(st.text(max_size=30), st.binary(max_size=300))
def test_a_message_comes_out_of_its_packet(topic: str, payload: bytes) -> None:
    _, body = mqtt.read(io.BytesIO(mqtt.publish(topic, payload, number=1)))
    without_number = body[: 2 + len(topic.encode())] + body[4 + len(topic.encode()) :]
    assert mqtt.published(without_number) == payload
    assert mqtt.published(b"") == b""


@pytest.mark.parametrize("text", [b"", b"\x30", b"\x30\xff\xff\xff\xff\x01", b"\x30\x05abc"])
def test_what_is_cut_off_is_strange(text: bytes) -> None:
    with pytest.raises(mqtt.StrangePacketError):
        mqtt.read(io.BytesIO(text))


def test_packets_that_are_not_awaited_are_passed_over() -> None:
    stream = io.BytesIO(mqtt.packet(mqtt.CONNACK, b"\0\0") + mqtt.packet(mqtt.SUBACK, b"\0\1\0"))
    assert mqtt.await_kind(stream, lambda kind: kind == mqtt.SUBACK) == b"\0\1\0"


def test_the_brokers_password_is_a_hash_that_confirms_it() -> None:
    name, _, rest = users_line("mptcp", "secret", salt=b"0123456789ab").strip().partition(":")
    _, kind, rounds, salt, hashed = rest.split("$")
    assert (name, kind, rounds) == ("mptcp", "7", str(ROUNDS))
    again = hashlib.pbkdf2_hmac("sha512", b"secret", base64.b64decode(salt), ROUNDS)
    assert base64.b64decode(hashed) == again
    assert "secret" not in rest
