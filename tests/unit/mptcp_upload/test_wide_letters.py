"""Letters of several bytes: a look that steps over what has no zero finds what a plain one does."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mptcp_upload import decodings

WIDTHS = (2, 4, 8, 16)
BYTES = st.one_of(st.sampled_from(b"\0\0\0A\x08\t\xff"), st.integers(0, 255))


def plainly(content: bytes) -> list[tuple[str, int, bytes]]:
    return [
        (f"a letter in {width} bytes", run.start(), run[0][::width])
        for width in WIDTHS
        for run in re.finditer(rb"[\t-\xff](?:\0{%d}[\t-\xff]){2,}" % (width - 1), content)
    ]


def found(content: bytes) -> list[tuple[str, int, bytes]]:
    views = decodings.views(content)
    return [(v.how, v.at, v.content) for v in views if v.how.startswith("a letter in ")]


@given(
    st.lists(
        st.one_of(
            st.lists(BYTES, max_size=12).map(bytes),
            st.builds(
                lambda text, width: b"".join(bytes([b]) + bytes(width - 1) for b in text),
                st.binary(max_size=5),
                st.sampled_from(WIDTHS),
            ),
        ),
        max_size=5,
    ).map(b"".join)
)
def test_the_same_is_found(content: bytes) -> None:
    assert found(content) == (plainly(content) if len(content) > 5 else [])


@pytest.mark.parametrize("width", WIDTHS)
def test_three_letters_between_other_zeros_are_found(width: int) -> None:
    letters = b"".join(bytes([b]) + bytes(width - 1) for b in b"lab")

    assert (f"a letter in {width} bytes", 3, b"lab") in found(bytes(3) + letters + bytes(3))
