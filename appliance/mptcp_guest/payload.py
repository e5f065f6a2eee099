"""The bytes of the exchanges: made from a seed, so that both ends and the host know them.

Each exchange has its own seed, so nothing that a cache or an earlier exchange left behind can
pass for its content.  PURE but for `write`.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from mptcp_guest.messages import Content, Digest

BLOCK_BYTES = 65536
LINE_DIGITS = 64
LINE_BYTES = LINE_DIGITS + len("\r\n")


def blocks(content: Content) -> Iterator[bytes]:
    """Give the content piece by piece: SHAKE-128 of the seed and the number of the block.

    A shorter content is the beginning of a longer one.  One in lines has whole ones only: as many
    as fit into the size, and one at least.
    """
    if content.get("form", "bytes") == "lines":
        yield from _lines(content["seed"], max(content["bytes"] // LINE_BYTES, 1))
        return
    zeros = content.get("form") == "zeros"
    for start in range(0, content["bytes"], BLOCK_BYTES):
        size = min(BLOCK_BYTES, content["bytes"] - start)
        yield bytes(size) if zeros else _random(content["seed"], start // BLOCK_BYTES, size)


def _lines(seed: str, count: int) -> Iterator[bytes]:
    per_block = BLOCK_BYTES // LINE_BYTES
    for start in range(0, count, per_block):
        lines = min(per_block, count - start)
        digits = _random(seed, start // per_block, lines * LINE_DIGITS // 2).hex().encode()
        parts = (digits[at : at + LINE_DIGITS] for at in range(0, len(digits), LINE_DIGITS))
        yield b"".join(part + b"\r\n" for part in parts)


def _random(seed: str, block: int, size: int) -> bytes:
    # a shorter output is the beginning of a longer one
    return hashlib.shake_128(f"{seed}\n{block}".encode(errors="surrogatepass")).digest(size)


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


def digest_of(text: bytes) -> Digest:
    """Return the digest of some bytes."""
    return _digest(iter((text,)))


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
