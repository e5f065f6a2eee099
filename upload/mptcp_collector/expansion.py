"""How far a bundle would expand: asked of the zstd frame's head, before anything is expanded."""

from pathlib import Path
from typing import Final

import zstandard

from mptcp_collector.problem import ProblemError

MAGIC: Final = b"\x28\xb5\x2f\xfd"
"""RFC 8878, section 3.1.1."""
WINDOW_MAX_BYTES: Final = 8 << 20
"""What every decoder must be able to hold (RFC 8878, section 3.1.1.1.2)."""
_HEAD_BYTES: Final = 18
_CHUNK_BYTES: Final = 1 << 20
_UNKNOWN: Final = 2**64 - 1
"""What the library says of a frame that does not tell its content's size."""


def check(path: Path, *, expanded_max_bytes: int) -> None:
    """Refuse what expands too far; what is not zstd is left to its reader.

    A frame that tells its content's size is believed where it tells too much.  All frames are
    then read through to the cap, a megabyte in memory at a time: a head may lie, and another
    frame may follow.

    Raises:
        ProblemError: ``expands_too_far`` or ``bad_bundle``.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
        if not head.startswith(MAGIC):
            return
        try:
            told = zstandard.get_frame_parameters(head)
            if told.content_size != _UNKNOWN and told.content_size > expanded_max_bytes:
                raise _too_far(expanded_max_bytes)
            file.seek(0)
            expanded_bytes = 0
            decompressor = zstandard.ZstdDecompressor(max_window_size=WINDOW_MAX_BYTES)
            with decompressor.stream_reader(
                file, read_size=_CHUNK_BYTES, read_across_frames=True, closefd=False
            ) as reader:
                while chunk := reader.read(_CHUNK_BYTES):
                    expanded_bytes += len(chunk)
                    if expanded_bytes > expanded_max_bytes:
                        raise _too_far(expanded_max_bytes)
        except zstandard.ZstdError:
            raise ProblemError("bad_bundle", "its zstd frames cannot be read") from None


def _too_far(allowed_bytes: int) -> ProblemError:
    return ProblemError("expands_too_far", allowed_bytes=allowed_bytes)
