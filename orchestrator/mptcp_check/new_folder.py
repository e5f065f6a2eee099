"""A folder of results that is there whole or not at all."""

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from mptcp_check.errors import UsageError

DISK_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
"""What the command line has words for already."""


def check(folder: Path) -> None:
    """See that results can go to a folder: it is not there, or is empty.

    Raises:
        UsageError: It holds something, is no folder, or has no folder around it.
    """
    try:
        if folder.exists() and any(folder.iterdir()):
            raise UsageError(f"{folder} is not empty", hint="name a new folder")
        if not folder.resolve().parent.is_dir():
            raise UsageError(f"{folder}: there is no {folder.resolve().parent}")
    except OSError as e:
        raise UsageError(f"{folder} cannot be used: {(e.strerror or str(e)).lower()}") from None


@contextmanager
def whole(folder: Path) -> Iterator[Path]:
    """Give a folder to write to; at the end it becomes `folder`, after an error it vanishes.

    Raises:
        UsageError: As `check`, or something cannot be written.
        OSError: The disk is full.
    """
    check(folder)
    place = folder.resolve()
    try:
        with tempfile.TemporaryDirectory(dir=place.parent, prefix=f".{place.name}.") as around:
            # A folder of our own making inside: the outer one is for nobody else's eyes.
            inner = Path(around) / "whole"
            inner.mkdir()
            yield inner
            os.replace(inner, place)  # noqa: PTH105 - over an empty folder, which Path does not promise
    except OSError as e:
        if e.errno in DISK_FULL:
            raise
        reason = (e.strerror or str(e)).lower()
        raise UsageError(f"{folder} cannot be written: {reason}") from None
