"""An archive with one byte string per content: ustar (POSIX.1-1988) without times or owners.

`tar tf` lists it, and nobody needs to extract it: members are read by name. A reader that accepts
only what the writer would have written has no tricks to fall for: each header is made again from
its name and size and compared, so links, absolute paths, `..`, duplicates and padding are all
"not ours".
"""

import re
from collections.abc import Mapping
from typing import Final

from mptcp_upload.errors import VERDICT_ONLY, BundleError

BLOCK_BYTES: Final = 512
MEMBER_COUNT_LIMIT: Final = 200
NAME_BYTES_LIMIT: Final = 100
SIZE_BYTES_LIMIT: Final = 256 << 20
"""Of the whole archive."""

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._=+-]*(/[A-Za-z0-9_][A-Za-z0-9._=+-]*)*")
_NAME_AT, _SIZE_AT = slice(0, 100), slice(124, 135)


def is_name(name: str) -> bool:
    """Say whether a member may have this name: a plain relative path, no part of it hidden."""
    return len(name) <= NAME_BYTES_LIMIT and _NAME.fullmatch(name) is not None


def write(members: Mapping[str, bytes]) -> bytes:
    """Return the archive: members in the order of their names, then two empty blocks.

    Raises:
        BundleError: A name is not one, or there is too much.
    """
    if len(members) > MEMBER_COUNT_LIMIT:
        raise BundleError(
            f"{len(members)} members, {MEMBER_COUNT_LIMIT} are allowed", reason="too_large"
        )
    parts = []
    for name in sorted(members):
        content = members[name]
        parts += [_header(name, len(content)), content, bytes(-len(content) % BLOCK_BYTES)]
    parts.append(bytes(2 * BLOCK_BYTES))
    whole = b"".join(parts)
    if len(whole) > SIZE_BYTES_LIMIT:
        raise BundleError(
            f"{len(whole)} bytes, {SIZE_BYTES_LIMIT} are allowed",
            reason="too_large",
            hint=VERDICT_ONLY,
        )
    return whole


def read(octets: bytes) -> dict[str, memoryview]:
    """Return the members by name, without copying them.

    Raises:
        BundleError: It is not exactly what `write` makes of its members.
    """
    if len(octets) > SIZE_BYTES_LIMIT:
        raise BundleError(
            f"{len(octets)} bytes, {SIZE_BYTES_LIMIT} are allowed", reason="too_large"
        )
    members: dict[str, memoryview] = {}
    view, at, last = memoryview(octets), 0, ""
    while (block := bytes(view[at : at + BLOCK_BYTES])) != bytes(BLOCK_BYTES):
        if len(members) == MEMBER_COUNT_LIMIT:
            raise BundleError(
                f"more than {MEMBER_COUNT_LIMIT} members are not allowed", reason="too_large"
            )
        name, size_bytes = _parse(block, at)
        if name <= last:
            raise BundleError(f"member '{name}' is not in its place")
        start, end = at + BLOCK_BYTES, at + BLOCK_BYTES + size_bytes
        at = end + -size_bytes % BLOCK_BYTES
        if at > len(octets) or any(view[end:at]):
            raise BundleError(f"member '{name}' is cut off, or is followed by something")
        members[name], last = view[start:end], name
    if bytes(view[at:]) != bytes(2 * BLOCK_BYTES):
        raise BundleError("the archive does not end where its members do")
    return members


def _parse(block: bytes, at: int) -> tuple[str, int]:
    """Return name and size of a header that is exactly ours."""
    try:
        name = block[_NAME_AT].rstrip(b"\0").decode("ascii")
        size_bytes = int(block[_SIZE_AT].decode("ascii"), 8)
        same = size_bytes >= 0 and _header(name, size_bytes) == block
    except (ValueError, OverflowError, BundleError):
        same = False
    if not same:
        raise BundleError(f"there is no member of ours at byte {at}")
    return name, size_bytes


def _header(name: str, size_bytes: int) -> bytes:
    if not is_name(name):
        raise BundleError(f"{name!r} cannot be the name of a member")
    fields = (
        name.encode("ascii").ljust(100, b"\0"),
        b"0000644\0",  # mode
        b"0000000\0" * 2,  # user and group
        b"%011o\0" % size_bytes,
        b"%011o\0" % 0,  # time
        b" " * 8,  # where the sum goes
        b"0",  # a regular file
        bytes(100),  # no link
        b"ustar\00000",
        bytes(64),  # no names of user and group
        b"0000000\0" * 2,  # device
        bytes(167),
    )
    header = b"".join(fields)
    return header[:148] + b"%06o\0 " % sum(header) + header[156:]
