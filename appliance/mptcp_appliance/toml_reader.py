"""Read TOML tables with types: each key is asked for once, what nobody asked for is an error."""

import tomllib
from collections.abc import Mapping

from mptcp_appliance.errors import ImageError

_TYPE_NAMES = {str: "a text", int: "a whole number", list: "a list", dict: "a table"}

Row = Mapping[str, object]


def read(text: str, where: str) -> dict[str, object]:
    """Return the table of a TOML text.

    Raises:
        ImageError: It is not TOML.
    """
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as e:
        raise ImageError(f"{where} is not TOML: {e}", hint="correct the file") from e


class Reader:
    """Takes typed values out of a TOML table and knows which keys nobody asked for.

    Whatever is missing or of another kind is an `ImageError` that says where.

    Args:
        table: What was read.
        where: Name of the file and of the table in it, for messages.
    """

    def __init__(self, table: Row, where: str) -> None:
        self._table = dict(table)
        self._where = where
        self._children: list[Reader] = []

    def text(self, key: str) -> str:
        """Take a text."""
        value = self._take(key, str)
        assert isinstance(value, str)  # noqa: S101 - _take checked it
        return value

    def number(self, key: str) -> int:
        """Take a whole number."""
        value = self._take(key, int)
        assert isinstance(value, int)  # noqa: S101 - _take checked it
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """Take a list of texts."""
        value = self._take(key, list)
        assert isinstance(value, list)  # noqa: S101 - _take checked it
        if not all(isinstance(item, str) for item in value):
            raise self._wrong(key, "a list of texts")
        return tuple(value)

    def flag(self, key: str) -> bool:
        """Take true or false; false if it is not there."""
        value = self._table.pop(key, False)
        if not isinstance(value, bool):
            raise self._wrong(key, "true or false")
        return value

    def has(self, key: str) -> bool:
        """Return whether a key is still there."""
        return key in self._table

    def table(self, key: str) -> "Reader":
        """Take a table, with a reader of its own."""
        value = self._take(key, dict)
        assert isinstance(value, dict)  # noqa: S101 - _take checked it
        return self._child(value, key)

    def rows(self, key: str) -> "list[Reader]":
        """Take a list of tables."""
        value = self._take(key, list)
        assert isinstance(value, list)  # noqa: S101 - _take checked it
        if not all(isinstance(item, dict) for item in value):
            raise self._wrong(key, "a list of tables")
        return [self._child(row, f"{key}[{n}]") for n, row in enumerate(value)]

    def all_text(self) -> dict[str, str]:
        """Take every key that is left, each one a text."""
        return {key: self.text(key) for key in sorted(self._table)}

    def all_texts(self) -> dict[str, tuple[str, ...]]:
        """Take every key that is left, each one a list of texts."""
        return {key: self.texts(key) for key in sorted(self._table)}

    def nothing_left(self) -> None:
        """Raise an `ImageError` that names the keys nobody took, here and in the tables below."""
        if self._table:
            unknown = ", ".join(sorted(self._table))
            raise ImageError(
                f"{self._where} has keys that mean nothing: {unknown}",
                hint="remove them or correct their spelling",
            )
        for child in self._children:
            child.nothing_left()

    def _child(self, value: Row, key: str) -> "Reader":
        child = Reader(value, f"{self._where}: {key}")
        self._children.append(child)
        return child

    def _take(self, key: str, kind: type) -> object:
        if key not in self._table:
            raise ImageError(f"{self._where} has no {key}", hint=f"add {key} to the file")
        value = self._table.pop(key)
        # a bool is an int to Python, never to an image
        if not isinstance(value, kind) or isinstance(value, bool):
            raise self._wrong(key, _TYPE_NAMES[kind])
        return value

    def _wrong(self, key: str, wanted: str) -> ImageError:
        return ImageError(f"{self._where}: {key} is not {wanted}", hint="correct the file")
