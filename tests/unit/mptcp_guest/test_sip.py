import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mptcp_guest import sip
from mptcp_guest.naming import is_name
from mptcp_guest.servers.sip import user

TOKENS = st.from_regex(r"[A-Za-z0-9-]{1,20}", fullmatch=True)
VALUES = st.from_regex(r"[!-~]([ -~]{0,60}[!-~])?", fullmatch=True)


@given(st.binary(max_size=2000))
def test_any_bytes_are_a_message_or_an_end_or_strange(text: bytes) -> None:
    try:
        message = sip.read(io.BytesIO(text))
    except sip.StrangeMessageError:
        return
    if message is not None:
        assert len(message.body) <= len(text)
        assert 0 <= message.status < 700
        assert user(message.first) == "" or is_name(user(message.first))


@given(TOKENS, st.dictionaries(TOKENS.map(str.lower), VALUES, max_size=5), st.binary(max_size=500))
def test_what_is_written_is_read(method: str, header: dict[str, str], body: bytes) -> None:
    header = {name: value for name, value in header.items() if name not in sip.SHORT}
    header.pop("content-length", None)
    first = f"{method} sip:keep@10.0.0.1 SIP/2.0"
    stream = io.BytesIO(b"\r\n\r\n" + sip.encode(first, list(header.items()), body) + b"next")
    message = sip.read(stream)
    assert message is not None
    assert (message.first, message.method, message.body) == (first, method, body)
    assert {**message.header, "content-length": str(len(body))} == {
        **header,
        "content-length": str(len(body)),
    }
    assert stream.read() == b"next"


def test_compact_names_are_the_long_ones() -> None:
    message = sip.read(io.BytesIO(b"BYE sip:a@b SIP/2.0\r\nf: <sip:x@y>\r\nl: 2\r\n\r\nok"))
    assert message is not None
    assert message.header == {"from": "<sip:x@y>", "content-length": "2"}
    assert message.body == b"ok"


@pytest.mark.parametrize("length", ["-1", "x", "99999999", "1048577", "3"])
def test_a_length_that_cannot_be_is_strange(length: str) -> None:
    with pytest.raises(sip.StrangeMessageError):
        sip.read(io.BytesIO(f"BYE sip:a@b SIP/2.0\r\nContent-Length: {length}\r\n\r\nok".encode()))


def test_an_answer_repeats_what_it_must_and_tags_the_callee() -> None:
    text = sip.encode("BYE sip:a@b SIP/2.0", [("Via", "v"), ("To", "<sip:a@b>"), ("CSeq", "1 BYE")])
    request = sip.read(io.BytesIO(text))
    assert request is not None
    said = sip.read(io.BytesIO(sip.answer(request, "200 OK")))
    assert said is not None
    assert said.status == 200
    assert said.header["to"] == "<sip:a@b>;tag=server"
    assert said.header["via"] == "v"


def test_addresses_of_both_families_are_written_as_they_must() -> None:
    assert sip.place("fd77::2", 5060) == "[fd77::2]:5060"
    assert b"c=IN IP6 fd77::2\r\n" in sip.session("fd77::2", 40000)
    assert b"o=mptcp-check 1 1 IN IP4 10.77.0.1\r\n" in sip.session("10.77.0.1", 40000)
    assert sip.user_uri("<sip:x@[::1]:5;transport=tcp>") == "sip:x@[::1]:5;transport=tcp"
    assert sip.user_uri("nothing") == "sip:nobody@invalid"
