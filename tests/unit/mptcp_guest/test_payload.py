import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mptcp_guest.messages import Content
from mptcp_guest.payload import BLOCK_BYTES, blocks, digest, digest_of_file, write

SIZES = st.integers(0, 3 * BLOCK_BYTES) | st.sampled_from(
    [BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1]
)


def content(seed: str, size: int) -> Content:
    return Content(seed=seed, bytes=size)


@given(st.text(), SIZES)
def test_a_content_has_its_size_and_the_digest_of_its_bytes(seed: str, size: int) -> None:
    data = b"".join(blocks(content(seed, size)))
    assert len(data) == size
    assert digest(content(seed, size)) == {
        "bytes": size,
        "sha256": hashlib.sha256(data).hexdigest(),
    }


@given(st.text(), SIZES, SIZES)
def test_a_shorter_content_is_the_beginning_of_a_longer_one(
    seed: str, one: int, other: int
) -> None:
    short, long = (b"".join(blocks(content(seed, n))) for n in sorted((one, other)))
    assert long.startswith(short)


def test_contents_of_two_seeds_and_two_blocks_have_nothing_in_common() -> None:
    first = list(blocks(content("run/1", 2 * BLOCK_BYTES)))
    second = list(blocks(content("run/11", 2 * BLOCK_BYTES)))
    assert len({*first, *second}) == 4


def test_the_bytes_never_change_from_version_to_version() -> None:
    assert digest(content("run/0", 100_000)) == {
        "bytes": 100_000,
        "sha256": "b365f33b7713c7b3452ccefe9e574ea1b6d8d36e57c50c83696de3e127646a20",
    }


@given(size=st.sampled_from([0, 1, BLOCK_BYTES, BLOCK_BYTES + 1]))
def test_a_file_has_the_digest_that_was_computed(
    tmp_path_factory: pytest.TempPathFactory, size: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "content"
    assert write(path, content("x", size)) == digest(content("x", size)) == digest_of_file(path)


def test_a_file_that_is_not_there_has_no_digest(tmp_path: Path) -> None:
    assert digest_of_file(tmp_path / "nix") is None


@given(st.text(), SIZES)
def test_lines_are_whole_and_a_mail_server_can_take_them(seed: str, size: int) -> None:
    data = b"".join(blocks(Content(seed=seed, bytes=size, form="lines")))
    lines = data.split(b"\r\n")
    assert lines.pop() == b""
    assert all(len(line) == 64 and line.isalnum() for line in lines)
    assert len(lines) == max(size // 66, 1)


@given(st.text(), SIZES, SIZES)
def test_fewer_lines_are_the_beginning_of_more(seed: str, one: int, other: int) -> None:
    short, long = (
        b"".join(blocks(Content(seed=seed, bytes=n, form="lines"))) for n in sorted((one, other))
    )
    assert long.startswith(short)
