from hypothesis import given
from hypothesis import strategies as st

from mptcp_guest import mail, payload
from mptcp_guest.messages import Content

TEXTS = st.text(st.sampled_from("ab \n"), max_size=60).map(lambda t: mail.crlf(t.encode()))


@given(TEXTS)
def test_a_body_comes_out_of_its_mail_however_a_server_stored_it(text: bytes) -> None:
    whole = mail.header("x0001") + text
    assert mail.body(whole) == text
    assert mail.body(whole.replace(b"\r\n", b"\n")) == text
    assert mail.body(b"Received: from here\r\n\tby there\r\n" + whole) == text


@given(st.binary(max_size=300))
def test_any_bytes_have_a_body_or_none(text: bytes) -> None:
    assert mail.body(text) == mail.crlf(mail.body(text))


def test_a_content_in_lines_is_a_body_that_no_server_changes() -> None:
    content = b"".join(payload.blocks(Content(seed="s", bytes=1000, form="lines")))
    assert mail.crlf(content) == content
    assert max(len(line) for line in content.split(b"\r\n")) < 998
    assert b"\r\n." not in content
