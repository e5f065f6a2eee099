"""Whole blocks go past the page cache; what is in the file is the same either way."""

import errno
import fcntl
import mmap
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mptcp_collector.block_file import BLOCK_BYTES, BlockFile

ROOM = mmap.mmap(-1, 16 * BLOCK_BYTES)
"""Begins at a page, as what is written past the cache must."""
ROOM[:] = os.urandom(len(ROOM))
OCTETS = memoryview(ROOM)


@pytest.fixture
def file(tmp_path: Path) -> Iterator[BlockFile]:
    opened = BlockFile(tmp_path / "x", mode=0o600)
    yield opened
    opened.close()


@pytest.fixture
def direct(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Note of each write whether it goes past the cache."""
    found: list[bool] = []
    write = os.pwrite

    def noted(descriptor: int, octets: memoryview, offset: int) -> int:
        found.append(bool(fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_DIRECT))
        return write(descriptor, octets, offset)

    monkeypatch.setattr(os, "pwrite", noted)
    return found


def put(file: BlockFile, *lengths: int, past_cache: bool = True) -> bytes:
    """Write so many bytes one after the other; return what the file has to hold."""
    told = bytearray()
    for length in lengths:
        view = OCTETS[:length]
        told += view
        while view:
            count = file.write_at(view, len(told) - len(view), past_cache=past_cache)
            view = view[count:]
    return bytes(told)


def test_whole_blocks_go_past_the_cache_and_others_through_it(
    file: BlockFile, direct: list[bool]
) -> None:
    told = put(file, BLOCK_BYTES, 3 * BLOCK_BYTES, 100, BLOCK_BYTES, BLOCK_BYTES - 100, BLOCK_BYTES)

    assert direct == [True, True, False, False, False, True]
    assert file.path.read_bytes() == told


def test_what_is_read_again_soon_stays_in_the_cache(file: BlockFile, direct: list[bool]) -> None:
    told = put(file, BLOCK_BYTES, BLOCK_BYTES, past_cache=False)

    assert direct == [False, False]
    assert file.path.read_bytes() == told


@given(
    past_cache=st.booleans(),
    lengths=st.lists(
        st.sampled_from([1, 511, BLOCK_BYTES - 1, BLOCK_BYTES, 2 * BLOCK_BYTES])
        | st.integers(1, len(ROOM)),
        max_size=8,
    ),
)
def test_the_file_holds_what_was_written(lengths: list[int], *, past_cache: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = BlockFile(Path(folder) / "x", mode=0o600)
        told = put(file, *lengths, past_cache=past_cache)
        file.close()
        assert file.path.read_bytes() == told


def test_memory_that_begins_anywhere_goes_through_the_cache(
    file: BlockFile, direct: list[bool]
) -> None:
    for offset in (0, BLOCK_BYTES):
        assert file.write_at(OCTETS[1 : 1 + BLOCK_BYTES], offset, past_cache=True) == BLOCK_BYTES

    # refused once and not tried again, or, as tmpfs does it, taken
    assert direct in ([True, False, False], [True, True])
    assert file.path.read_bytes() == bytes(OCTETS[1 : 1 + BLOCK_BYTES]) * 2


def test_where_the_file_system_knows_no_such_files_all_goes_through_the_cache(
    file: BlockFile, direct: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    control = fcntl.fcntl

    def refusing(descriptor: int, command: int, flags: int = 0) -> int:
        if command == fcntl.F_SETFL and flags & os.O_DIRECT:
            raise OSError(errno.EINVAL, "Invalid argument")
        return control(descriptor, command, flags)

    monkeypatch.setattr(fcntl, "fcntl", refusing)
    told = put(file, BLOCK_BYTES, BLOCK_BYTES)

    assert direct == [False, False]
    assert file.path.read_bytes() == told


def test_other_errors_are_raised(file: BlockFile, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="Invalid argument"):
        file.write_at(OCTETS[:BLOCK_BYTES], -BLOCK_BYTES, past_cache=True)
    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(OSError, match="No space left"):
        file.write_at(OCTETS[:BLOCK_BYTES], 0, past_cache=True)


def test_a_closed_file_takes_nothing(file: BlockFile) -> None:
    file.close()
    file.close()

    with pytest.raises(OSError, match="Bad file descriptor"):
        file.write_at(OCTETS[:1], 0, past_cache=True)
