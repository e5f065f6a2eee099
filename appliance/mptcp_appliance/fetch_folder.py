"""A catalogue in a folder of this computer: a USB stick, a network share, a test."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from mptcp_appliance import strict_json
from mptcp_appliance.fetch_source import Delivery, SourceError

_CHUNK_BYTES = 1 << 20


class FolderSource:
    """Reads the files of a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def small(self, path: str, *, limit_bytes: int) -> bytes:
        """See `mptcp_appliance.fetch_source.Source.small`."""
        try:
            return strict_json.read_limited(self._folder / path, limit_bytes)
        except ValueError as e:
            raise SourceError(str(e), again=False) from None
        except OSError as e:
            raise _failed(e) from e

    @contextmanager
    def open(self, path: str, *, offset_bytes: int, validator: str) -> Iterator[Delivery]:
        """See `mptcp_appliance.fetch_source.Source.open`."""
        try:
            stream = (self._folder / path).open("rb")
        except OSError as e:
            raise _failed(e) from e
        with stream:
            # a copy's digest is checked at its end: the file needs no name for its state
            total_bytes = stream.seek(0, os.SEEK_END)
            stream.seek(offset_bytes)
            yield Delivery(
                offset_bytes=offset_bytes,
                total_bytes=total_bytes,
                validator=validator,
                chunks=_chunks(stream),
            )


def _chunks(stream: IO[bytes]) -> Iterator[bytes]:
    try:
        while chunk := stream.read(_CHUNK_BYTES):
            yield chunk
    except OSError as e:
        raise _failed(e) from e


def _failed(e: OSError) -> SourceError:
    absent = isinstance(e, FileNotFoundError | NotADirectoryError)
    return SourceError((e.strerror or str(e)).lower(), again=False, absent=absent)
