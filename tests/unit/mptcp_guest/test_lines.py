import io

from hypothesis import given
from hypothesis import strategies as st

from mptcp_guest.lines import lines


@given(st.binary(max_size=200) | st.lists(st.sampled_from([b"a", b"\n"])).map(b"".join), st.data())
def test_lines_do_not_depend_on_how_the_bytes_come(content: bytes, data: st.DataObject) -> None:
    stream = io.BytesIO(content)
    found = list(lines(lambda most: stream.read(data.draw(st.integers(1, most))), 1000))
    assert b"".join(found) == content
    assert all(line.index(b"\n") == len(line) - 1 for line in found[:-1])
    assert all(found)


@given(st.integers(0, 30), st.integers(1, 7))
def test_of_a_line_that_is_too_long_only_the_beginning_is_given(length: int, piece: int) -> None:
    stream = io.BytesIO(b"x" * length + b"\nnext\n")
    given_lines = list(lines(lambda _: stream.read(piece), 8))
    assert given_lines[-1] == b"next\n"
    assert len(given_lines) == 2
    assert given_lines[0] == (b"x" * length + b"\n")[:9]
