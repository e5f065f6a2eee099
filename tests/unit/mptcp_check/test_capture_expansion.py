import gzip
from collections.abc import Callable

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from mptcp_check.capture_expansion import ExpansionError, expanded, is_compressed

Pack = Callable[[bytes], bytes]
PACKS = pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress])


def reader(octets: bytes, most: int = 1 << 20) -> Callable[[int], bytes]:
    """Give bytes as a pipe does: never more than ``most`` at once."""
    at = 0

    def read(size: int) -> bytes:
        nonlocal at
        chunk = octets[at : at + min(size, most)]
        at += len(chunk)
        return chunk

    return read


def taken(octets: bytes, most: int = 1 << 20) -> tuple[bytes, str]:
    """What could be expanded, and why no more."""
    out = b""
    try:
        for chunk in expanded(reader(octets, most)):
            out += chunk
    except ExpansionError as e:
        return out, str(e)
    return out, ""


@given(st.lists(st.binary(max_size=200), min_size=1, max_size=4), st.integers(1, 50))
@PACKS
def test_what_was_packed_in_parts_comes_out_whole(
    pack: Pack, parts: list[bytes], most: int
) -> None:
    packed = b"".join(pack(part) for part in parts)

    assert is_compressed(packed[:4])
    assert taken(packed, most) == (b"".join(parts), "")


@given(st.binary(min_size=1, max_size=200), st.integers(1, 50))
def test_what_is_not_packed_comes_as_it_is(octets: bytes, most: int) -> None:
    if not is_compressed(octets[:4]):
        assert taken(octets, most) == (octets, "")


@given(st.binary(max_size=400), st.data())
@PACKS
def test_cut_anywhere_what_was_before_comes_out_and_the_cut_is_told(
    pack: Pack, content: bytes, data: st.DataObject
) -> None:
    packed = pack(content)
    cut = data.draw(st.integers(4, len(packed) - 1))
    out, why = taken(packed[:cut])

    assert content.startswith(out)
    assert "the file ends inside its" in why


@given(st.binary(max_size=300))
@pytest.mark.parametrize("magic", [b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd", b"\x50\x2a\x4d\x18"])
def test_junk_never_breaks_it(magic: bytes, junk: bytes) -> None:
    taken(magic + junk)


def test_what_was_before_damage_comes_out() -> None:
    content = bytes(range(256)) * 400
    packed = bytearray(gzip.compress(content, 0))
    packed[80_000:80_010] = b"\xff" * 10
    out, why = taken(bytes(packed))

    assert why
    assert len(out) > 60_000


def test_skippable_frames_are_skipped() -> None:
    skipped = b"\x53\x2a\x4d\x18\x04\x00\x00\x00abcd"

    assert taken(skipped + zstandard.compress(b"hello") + skipped) == (b"hello", "")


def test_zeros_behind_gzip_are_padding_and_anything_else_is_told() -> None:
    assert taken(gzip.compress(b"hello") + bytes(512)) == (b"hello", "")
    out, why = taken(gzip.compress(b"hello") + b"?")
    assert (out, why) == (b"hello", "something that is not gzip follows the gzip data")
