"""Where a name that a client says lies: in the common folder, or in that of a session."""

import os
import re
from pathlib import Path
from typing import BinaryIO

from mptcp_guest.naming import is_name

OF_A_SESSION = re.compile(r"(mpck-[a-z2-7]{26})\.(.+)")
"""``MARKER.NAME``: a name in a session's folder (`mptcp_guest.serving.sharing`)."""


def way_to(files: Path, way: str, name: str) -> Path:
    """Return where a name lies; PURE.

    Args:
        files: The common folder, or the folder of sessions' folders.
        way: ``down`` or ``up``.
        name: What the client said.

    Raises:
        OSError: It is no name.
    """
    found = OF_A_SESSION.fullmatch(name)
    folder, own = (files / found[1], found[2]) if found else (files, name)
    if not is_name(own):
        raise OSError("no name")
    return folder / way / own


def taken(path: Path) -> BinaryIO:
    """Open a file to write what a client sends; what is no plain file is not written to.

    Raises:
        OSError: It cannot be.
    """
    number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o644)
    return os.fdopen(number, "wb")


def handed_out(path: Path) -> BinaryIO:
    """Open a file to be sent.

    Raises:
        OSError: There is none.
    """
    return os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb")
