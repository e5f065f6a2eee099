import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mptcp_guest import resp


@given(st.binary(max_size=700))
def test_any_bytes_are_a_reply_or_strange(text: bytes) -> None:
    try:
        value = resp.reply(io.BytesIO(text))
    except resp.StrangeReplyError:
        return
    assert value is None or len(value) < len(text)


@given(st.binary(max_size=500))
def test_a_value_is_read_as_it_is(value: bytes) -> None:
    assert resp.reply(io.BytesIO(b"$%d\r\n%s\r\n+next" % (len(value), value))) == value


@given(st.lists(st.binary(max_size=50), min_size=1, max_size=4))
def test_a_request_is_an_array_of_values(words: list[bytes]) -> None:
    stream = io.BytesIO(resp.request(*words))
    assert stream.readline() == b"*%d\r\n" % len(words)
    assert [resp.reply(stream) for _ in words] == words


@pytest.mark.parametrize("line", [b"-ERR no\r\n", b"", b"+cut", b"$9999999999999\r\n", b"$x\r\n"])
def test_a_refusal_or_a_broken_reply_is_strange(line: bytes) -> None:
    with pytest.raises(resp.StrangeReplyError):
        resp.reply(io.BytesIO(line))


def test_simple_replies_and_nothing() -> None:
    assert resp.reply(io.BytesIO(b"+OK\r\n")) == b"OK"
    assert resp.reply(io.BytesIO(b":3\r\n")) == b"3"
    assert resp.reply(io.BytesIO(b"$-1\r\n")) is None
