import struct

from hypothesis import given
from hypothesis import strategies as st

from mptcp_guest import dns_message
from mptcp_guest.dns_message import HEADER, IN, RECORD, TXT, Answer

NAME = "0.x0001.zone.mptcp-check.invalid"
STRINGS = st.lists(st.binary(max_size=255), min_size=1, max_size=8)


def answered(strings: list[bytes], *, number: int = 5, flags: int = 0x8400) -> bytes:
    """Return an answer as name servers write it: the name as a pointer to the question's."""
    data = b"".join(bytes([len(string)]) + string for string in strings)
    question = dns_message.query(NAME, number=number)[HEADER.size :]
    record = b"\xc0\x0c" + RECORD.pack(TXT, IN, 0, len(data)) + data
    return HEADER.pack(number, flags, 1, 1, 0, 0) + question + record


def test_a_question_has_one_name_and_asks_for_no_recursion() -> None:
    query = dns_message.query("a.bc", number=258)
    assert query == b"\x01\x02\0\0\0\1\0\0\0\0\0\0" + b"\x01a\x02bc\0" + b"\0\x10\0\1"


@given(STRINGS, st.integers(0, 65535))
def test_the_strings_of_an_answer_are_joined(strings: list[bytes], number: int) -> None:
    found = dns_message.answer(answered(strings, number=number))
    assert found == Answer(number, b"".join(strings))


@given(STRINGS, st.data())
def test_an_answer_that_was_cut_is_none(strings: list[bytes], data: st.DataObject) -> None:
    whole = answered(strings)
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    assert dns_message.answer(cut).problem


@given(st.binary(max_size=600))
def test_no_bytes_are_too_strange(message: bytes) -> None:
    found = dns_message.answer(message)
    assert -1 <= found.number <= 65535
    assert len(found.text) <= len(message)


@given(STRINGS, st.data())
def test_nor_is_an_answer_with_any_byte_changed(strings: list[bytes], data: st.DataObject) -> None:
    whole = bytearray(answered(strings))
    whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    assert len(dns_message.answer(bytes(whole)).text) <= len(whole)


def test_refusals_truncation_and_questions_are_no_answers() -> None:
    for flags in (0x8403, 0x8405, 0x8600, 0x0400):
        found = dns_message.answer(answered([b"x"], flags=flags))
        assert (found.number, found.text) == (5, b"")
        assert f"{flags:#06x}" in found.problem


def test_other_records_before_the_text_are_passed_over() -> None:
    name = b"\xc0\x0c"
    alias = name + RECORD.pack(5, IN, 0, 2) + name
    plain = answered([b"text"])
    at = plain.index(name)
    head = HEADER.pack(5, 0x8400, 1, 2, 0, 0)
    found = dns_message.answer(head + plain[HEADER.size : at] + alias + plain[at:])
    assert found == Answer(5, b"text")


def test_a_name_that_never_ends_ends_with_the_message() -> None:
    head = struct.pack("!6H", 5, 0x8400, 1, 1, 0, 0)
    assert dns_message.answer(head + b"\x3f" * 70).problem
