from hypothesis import given
from hypothesis import strategies as st

from mptcp_guest import irc

WORDS = st.from_regex(r"[!-9;-~][!-~]{0,20}", fullmatch=True)


@given(st.binary(max_size=600))
def test_any_line_is_a_message_or_none(line: bytes) -> None:
    message = irc.read(line)
    assert message is None or message.command == message.command.upper()


@given(
    WORDS, st.lists(WORDS, max_size=4), st.from_regex(r"[!-~]([ -~]{0,80}[!-~])?", fullmatch=True)
)
def test_what_is_said_is_heard(command: str, words: list[str], last: str) -> None:
    for who in (b"", b":nick!user@host "):
        message = irc.read(who + irc.line(command, *words, last))
        assert message == irc.Message(command.upper(), (*words, last))


def test_a_number_and_a_ping_are_read() -> None:
    assert irc.read(b":irc.x 366 nick #c :End of NAMES list\r\n") == irc.Message(
        "366", ("nick", "#c", "End of NAMES list")
    )
    assert irc.read(b"PING :irc.x\r\n") == irc.Message("PING", ("irc.x",))
    assert irc.read(b"\r\n") is None
