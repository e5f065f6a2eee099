"""Read JSON that may come from a stranger: one document, no doubtful meaning, or a ValueError."""

import datetime as dt
import json
import re
from collections.abc import Mapping
from pathlib import Path

FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", re.ASCII)
"""A name that is the same in a URL and on every file system, and never leads out of its folder."""

_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)

_TIME = "%Y-%m-%dT%H:%M:%SZ"

LARGEST_COUNT = (1 << 53) - 1
"""What every reader of JSON can hold exactly (RFC 8259, section 6)."""

Table = Mapping[str, object]


def table(data: bytes, *, schema: str) -> Table:
    """Read one JSON object that says of which schema it is.

    Raises:
        ValueError: Not UTF-8, not JSON, a key twice, too deep, or of another schema.
    """
    try:
        found = json.loads(
            data.decode(), object_pairs_hook=_without_doubles, parse_constant=_no_constant
        )
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(found, dict) or found.get("schema") != schema:
        raise ValueError(f"it is not of the schema {schema}")
    return found


def text(row: Table, key: str, *, limit_chars: int = 4096, absent: str | None = None) -> str:
    """Return a text of printable characters; `absent` stands for one that is not there.

    Raises:
        ValueError: It is something else; this holds for all functions below.
    """
    value = row.get(key, absent)
    if not isinstance(value, str) or len(value) > limit_chars or not value.isprintable():
        raise ValueError(f"{key} is not a text of at most {limit_chars} printable characters")
    return value


def file_name(value: object) -> str:
    """Return a plain name of a file or folder."""
    if not isinstance(value, str) or not FILE_NAME.fullmatch(value):
        raise ValueError(f"{str(value)[:100]!r} is not a plain file name")
    return value


def count(row: Table, key: str, *, least: int = 0, most: int = LARGEST_COUNT) -> int:
    """Return a whole number."""
    value = row.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise ValueError(f"{key} is not a whole number from {least} to {most}")
    return value


def sha256(row: Table, key: str = "sha256") -> str:
    """Return a digest, 64 hexadecimal digits in lower case."""
    value = row.get(key)
    if not isinstance(value, str) or not _SHA256.fullmatch(value):
        raise ValueError(f"{key} is not a SHA-256 in lower case")
    return value


def time_text(time_s: int) -> str:
    """Return a time as ISO 8601 text in UTC."""
    return dt.datetime.fromtimestamp(time_s, tz=dt.UTC).strftime(_TIME)


def time_s(row: Table, key: str) -> int:
    """Return a time in seconds since 1970, from ISO 8601 text in UTC."""
    value = text(row, key, limit_chars=40)
    try:
        found_s = int(dt.datetime.strptime(value, _TIME).replace(tzinfo=dt.UTC).timestamp())
    except (ValueError, OverflowError):
        raise ValueError(f"{key} is not a time like 2026-01-31T12:00:00Z") from None
    return found_s


def rows(row: Table, key: str, *, limit: int) -> list[Table]:
    """Return a list of tables."""
    value = row.get(key)
    if (
        not isinstance(value, list)
        or len(value) > limit
        or not all(isinstance(item, dict) for item in value)
    ):
        raise ValueError(f"{key} is not a list of at most {limit} tables")
    return value


def read_limited(path: Path, limit_bytes: int) -> bytes:
    """Return the content of a small file.

    Raises:
        ValueError: It is larger than `limit_bytes`.
        OSError: It cannot be read.
    """
    with path.open("rb") as stream:
        data = stream.read(limit_bytes + 1)
    if len(data) > limit_bytes:
        raise ValueError(f"it is larger than {limit_bytes} bytes")
    return data


def written(document: Table) -> bytes:
    """Return a document as it is stored, the same bytes for the same content."""
    return json.dumps(document, indent=1, ensure_ascii=False).encode() + b"\n"


def _without_doubles(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("it has a key twice")
    return found


def _no_constant(word: str) -> object:
    raise ValueError(f"{word} is not JSON")
