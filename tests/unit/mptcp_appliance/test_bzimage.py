import gzip
import lzma
import struct
from collections.abc import Callable

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from mptcp_appliance import bzimage

ELF = b"\x7fELF" + bytes(range(256)) * 4
SIZE = struct.pack("<I", len(ELF))


def wrapped(payload: bytes, *, version: int = 0x020F) -> bytes:
    """Return a bzImage of one setup sector whose protected-mode code starts with 16 bytes."""
    image = bytearray(2 * 512)
    image[0x1F1] = 1
    image[0x202:0x206] = b"HdrS"
    struct.pack_into("<H", image, 0x206, version)
    struct.pack_into("<II", image, 0x248, 16, len(payload))
    return bytes(image) + bytes(16) + payload + b"tail"


@pytest.mark.parametrize(
    "pack",
    [
        zstandard.ZstdCompressor().compress,
        gzip.compress,
        lzma.compress,
    ],
)
def test_the_kernel_inside_is_taken_out(pack: Callable[[bytes], bytes]) -> None:
    assert bzimage.unwrapped(wrapped(pack(ELF) + SIZE)) == ELF


@pytest.mark.parametrize(
    "kernel",
    [
        pytest.param(b"MZ" + bytes(1000), id="arm64"),
        pytest.param(b"", id="empty"),
        pytest.param(wrapped(b"\x02!L\x18" + ELF), id="lz4, which we do not unpack"),
        pytest.param(wrapped(gzip.compress(b"no ELF") + SIZE), id="not an ELF kernel"),
        pytest.param(wrapped(gzip.compress(ELF)[:-30] + SIZE), id="cut off"),
        pytest.param(wrapped(gzip.compress(ELF) + SIZE, version=0x0207), id="before 2.08"),
    ],
)
def test_all_else_stays_as_it_is(kernel: bytes) -> None:
    assert bzimage.unwrapped(kernel) == kernel


@given(st.binary(max_size=200), st.integers(0, 1100))
def test_a_damaged_wrapper_never_raises(junk: bytes, at: int) -> None:
    image = bytearray(wrapped(zstandard.ZstdCompressor().compress(ELF) + SIZE))
    image[at : at + len(junk)] = junk

    found = bzimage.unwrapped(bytes(image))

    assert found == bytes(image) or found.startswith(b"\x7fELF")
