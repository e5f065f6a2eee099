"""The bytes of the exchanges: made from a seed, so that both ends and the host know them.

Each exchange has its own seed, so nothing that a cache or an earlier exchange left behind can
pass for its content.  PURE but for `write`.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from mptcp_guest.messages import Content, Digest

BLOCK_BYTES = 65536


def blocks(content: Content) -> Iterator[bytes]:
    """Give the content piece by piece: SHAKE-128 of the seed and the number of the block."""
    for start in range(0, content["bytes"], BLOCK_BYTES):
        size = min(BLOCK_BYTES, content["bytes"] - start)
        name = f"{content['seed']}\n{start // BLOCK_BYTES}".encode(errors="surrogatepass")
        # a shorter output is the beginning of a longer one, so a cut content is a prefix
        yield hashlib.shake_128(name).digest(size)


def digest(content: Content) -> Digest:
    """Return the digest that a file of this content has."""
    return _digest(blocks(content))


def write(path: Path, content: Content) -> Digest:
    """Write the content to a file and return its digest.

    Raises:
        OSError: It cannot be written.
    """
    with path.open("wb") as file:
        return _digest(block for block in blocks(content) if file.write(block))


def digest_of_file(path: Path) -> Digest | None:
    """Return the digest of a file, none when there is no such file.

    Raises:
        OSError: It is there and cannot be read.
    """
    try:
        with path.open("rb") as file:
            return _digest(iter(lambda: file.read(BLOCK_BYTES), b""))
    except FileNotFoundError:
        return None


def _digest(pieces: Iterator[bytes]) -> Digest:
    state = hashlib.sha256()
    size = 0
    for piece in pieces:
        state.update(piece)
        size += len(piece)
    return Digest(bytes=size, sha256=state.hexdigest())
