"""Names that become file names."""

import re

from mptcp_guest.refusal import RefusalError


def is_name(name: str) -> bool:
    """Say whether a name stays in its directory; PURE."""
    return re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name) is not None


def checked_name(name: str) -> str:
    """Return a name that stays in its directory.

    Raises:
        RefusalError: It could lead elsewhere.
    """
    if not is_name(name):
        raise RefusalError("bad_arguments", f"{name!r} is not a plain name")
    return name
