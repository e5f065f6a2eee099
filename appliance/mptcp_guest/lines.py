"""Cut a stream of bytes into lines, of which none may be endless."""

from collections.abc import Callable, Iterator

CHUNK_BYTES = 65536


def lines(read: Callable[[int], bytes], limit_bytes: int) -> Iterator[bytes]:
    """Give each line of a stream with its newline, and an unfinished last one without.

    Args:
        read: Gives some bytes, at most so many; none at the end.  Not a buffered reader: a thread
            that waits in one holds its lock, and Python cannot end while it does.
        limit_bytes: A longer line is cut there and its rest is thrown away.
    """
    rest = b""
    skipping = False
    while chunk := read(CHUNK_BYTES):
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            if not skipping:
                yield (line + b"\n")[: limit_bytes + 1]
            skipping = False
        if len(rest) > limit_bytes:
            if not skipping:
                yield rest[: limit_bytes + 1]
            rest, skipping = b"", True
    if rest and not skipping:
        yield rest
