"""What the collector needs of a place for bundles."""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Protocol


class BlobStore(Protocol):
    """Bytes under their SHA-256; there whole or not at all.

    Every method may raise `OSError` when the place is full or does not answer.
    """

    def put(self, sha256: str, file: Path) -> None:
        """Keep a file's bytes; when this returns they survive a power cut.  Again does nothing.

        Args:
            sha256: Of the bytes, hexadecimal; the caller has checked it.
            file: On the disk, synchronised; it is not changed and not removed.
        """

    def open(self, sha256: str) -> BinaryIO:
        """Return the bytes, to be closed.

        Raises:
            FileNotFoundError: They are not here.
        """

    def has(self, sha256: str) -> bool:
        """Say whether the bytes are here."""

    def remove(self, sha256: str) -> None:
        """Remove the bytes; without them it does nothing."""

    def digests(self) -> Iterator[str]:
        """Return all that is here, in no order."""
