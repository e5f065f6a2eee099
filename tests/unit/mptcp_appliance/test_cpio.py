import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mptcp_appliance import cpio
from mptcp_appliance.cpio import Entry
from mptcp_appliance.errors import ImageError

NAMES = st.text(
    st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=40
).filter(lambda name: name != "TRAILER!!!")
ENTRIES = st.lists(
    st.one_of(
        st.builds(cpio.file, NAMES, st.binary(max_size=50)),
        st.builds(cpio.program, NAMES, st.binary(max_size=50)),
        st.builds(cpio.directory, NAMES),
        st.builds(cpio.character_device, NAMES, st.integers(0, 4095), st.integers(0, 1 << 20)),
    ),
    max_size=8,
)


@given(ENTRIES, st.integers(0, (1 << 32) - 1))
def test_what_is_written_is_read_back(entries: list[Entry], mtime_s: int) -> None:
    assert cpio.read(cpio.write(entries, mtime_s=mtime_s)) == tuple(entries)


@given(ENTRIES)
def test_the_archive_is_made_of_words_of_four_bytes(entries: list[Entry]) -> None:
    assert len(cpio.write(entries, mtime_s=0)) % 4 == 0


@given(ENTRIES, st.data())
def test_a_cut_archive_is_an_error_and_nothing_worse(
    entries: list[Entry], data: st.DataObject
) -> None:
    archive = cpio.write(entries, mtime_s=0)
    # the last record ends in padding that nobody misses
    length = data.draw(st.integers(0, len(archive) - 4))

    with pytest.raises(ImageError, match="not a newc cpio archive"):
        cpio.read(archive[:length])


@given(st.binary(max_size=300))
def test_any_bytes_are_an_archive_or_an_error(junk: bytes) -> None:
    try:
        cpio.read(junk)
    except ImageError:
        return
    assert b"TRAILER!!!" in junk


def test_one_file_looks_as_the_kernel_documents_it() -> None:
    archive = cpio.write([cpio.program("init", b"hello")], mtime_s=0x65000000)

    assert archive[:6] == b"070701"
    fields = [int(archive[6 + 8 * n : 14 + 8 * n], 16) for n in range(13)]
    inode, mode, uid, gid, links, mtime, size = fields[:7]
    assert (inode, mode, uid, gid, links) == (1, stat.S_IFREG | 0o755, 0, 0, 1)
    assert (mtime, size) == (0x65000000, 5)
    assert fields[11] == len("init") + 1
    # 110 bytes of header and 5 of name, padded to 116; 5 bytes of data, padded to 8
    assert archive[110:124] == b"init\0\0hello\0\0\0"
    assert archive[124:130] == b"070701"
    assert archive.endswith(b"TRAILER!!!\0\0\0\0")


@pytest.mark.parametrize("name", ["", "a\0b", "TRAILER!!!"])
def test_a_name_that_would_break_the_archive_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="cannot be a name"):
        cpio.write([cpio.directory(name)], mtime_s=0)
