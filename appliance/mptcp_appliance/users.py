"""Add declared users to the text files that hold them; the formats of passwd(5) and its kin."""

from collections.abc import Callable, Iterable, Mapping

from mptcp_appliance.declaration import User
from mptcp_appliance.errors import ImageError

# "*" and "!" are no password's hash: nobody can log in until one is set. The day of the last
# change stays empty, or the day of the build would be in the image.
_LINES: Mapping[str, Callable[[User], str]] = {
    "etc/passwd": lambda user: f"{user.name}:x:{user.id}:{user.id}::{user.home}:{user.shell}\n",
    "etc/group": lambda user: f"{user.name}:x:{user.id}:\n",
    "etc/shadow": lambda user: f"{user.name}:*::0:99999:7:::\n",
    "etc/gshadow": lambda user: f"{user.name}:!::\n",
}

FILES = frozenset(_LINES)
"""The files that `with_users` knows."""


def with_users(path: str, text: str, users: Iterable[User]) -> str:
    """Return the content of one of `FILES` with the users added.

    Raises:
        ImageError: A name or number is taken by a package.
    """
    rows = [line.split(":") for line in text.splitlines()]
    for user in users:
        taken = any(row[0] == user.name for row in rows)
        if taken or (
            path in {"etc/passwd", "etc/group"} and any(row[2] == str(user.id) for row in rows)
        ):
            raise ImageError(
                f"user {user.name} ({user.id}) is already in {path}",
                hint="choose another name and number in image.toml, under [[users]]",
            )
        text += _LINES[path](user)
    return text
