"""How the value of one parameter is written, read and described, by type and by unit."""

import enum
import re
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

NONE = "none"
"""Of an empty set, and of a value that may be missing."""
_JOINS = "+"

_DURATIONS = {"ns": 1, "": 1, "us": 10**3, "ms": 10**6, "s": 10**9}
_RATES = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9}
_UNITS: Mapping[str, tuple[Mapping[str, int], str, str]] = {
    "_ns": (_DURATIONS, "a duration, with ns, us, ms or s", "5ms"),
    "_bps": (_RATES, "bits per second, with k, M or G if wanted", "40M"),
}
"""Units and words by how the name of a field ends."""
_BOOLEANS = {"yes": True, "no": False}
_NUMBER = re.compile(r"(\d+(?:\.\d+)?)([A-Za-z]*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Notation:
    """One way to write values."""

    read: Callable[[str], Any]
    """Raises ValueError on what cannot be read."""
    write: Callable[[Any], str]
    """`read` returns the same value from it."""
    words: str
    """What may be written."""
    example: str
    rank: Callable[[Any], Any] = lambda value: value
    """Orders the values of a set."""


def notation(name: str, hint: Any) -> Notation:  # noqa: ANN401 - a type, or what typing makes
    """Return how the values of a field are written.

    Args:
        name: The field's name; its ending may be a unit.
        hint: Its type.

    Raises:
        TypeError: Parameters of that type have no text form.
    """
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is frozenset or (origin is tuple and arguments[1:] == (...,)):
        return _several(origin, notation(name, arguments[0]))
    if origin in {types.UnionType, typing.Union} and type(None) in arguments:
        (one,) = (argument for argument in arguments if argument is not type(None))
        return _optional(notation(name, one))
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return _one_of({member.name.lower(): member for member in hint})
    if hint is int:
        for ending, unit in _UNITS.items():
            if name.endswith(ending):
                return _measured(*unit)
    if isinstance(hint, type) and hint in _PLAIN:
        return _PLAIN[hint]
    raise TypeError(f"parameter {name} has no text form: {hint}")


def _one_of(members: Mapping[str, Any]) -> Notation:
    def read(text: str) -> Any:  # noqa: ANN401 - a member
        if text not in members:
            raise ValueError(text)
        return members[text]

    def write(value: Any) -> str:  # noqa: ANN401 - a member
        return next(name for name, member in members.items() if member == value)

    order = list(members.values())
    *most, last = members
    words = f"{', '.join(most)} or {last}" if most else last
    return Notation(read=read, write=write, words=words, example=last, rank=order.index)


def _several(make: Callable[[list[Any]], Any], one: Notation) -> Notation:
    def read(text: str) -> Any:  # noqa: ANN401 - a set or a tuple
        return make([one.read(part) for part in text.split(_JOINS)] if text != NONE else [])

    def write(value: Any) -> str:  # noqa: ANN401 - a set or a tuple
        ordered = sorted(value, key=one.rank) if make is frozenset else value
        return _JOINS.join(map(one.write, ordered)) or NONE

    return Notation(
        read=read,
        write=write,
        words=f"one or several, joined by {_JOINS}, of: {one.words}; or {NONE}",
        example=one.example,
    )


def _optional(one: Notation) -> Notation:
    return Notation(
        read=lambda text: None if text == NONE else one.read(text),
        write=lambda value: NONE if value is None else one.write(value),
        words=f"{one.words}; or {NONE}",
        example=one.example,
    )


def _measured(units: Mapping[str, int], words: str, example: str) -> Notation:
    def read(text: str) -> int:
        found = _NUMBER.fullmatch(text)
        if found is None or found[2] not in units:
            raise ValueError(text)
        whole, _, fraction = found[1].partition(".")
        scale: int = 10 ** len(fraction)
        exact, rest = divmod(int(whole + fraction) * units[found[2]], scale)
        if rest:
            raise ValueError(text)
        return exact

    def write(value: int) -> str:
        unit, size = max(
            ((unit, size) for unit, size in units.items() if value % size == 0),
            key=lambda each: each[1] if value else -each[1],
        )
        return f"{value // size}{unit}"

    return Notation(read=read, write=write, words=words, example=example)


def _whole(text: str) -> int:
    if not re.fullmatch(r"-?(\d+|0x[0-9A-Fa-f]+)", text, re.ASCII):
        raise ValueError(text)
    return int(text, 16 if "x" in text else 10)


def _fraction(text: str) -> float:
    if not re.fullmatch(r"-?\d+(\.\d+)?(e-?\d+)?", text, re.ASCII):
        raise ValueError(text)
    return float(text)


def _octets(text: str) -> bytes:
    if not re.fullmatch(r"0x([0-9A-Fa-f]{2})*", text, re.ASCII):
        raise ValueError(text)
    return bytes.fromhex(text[2:])


_PLAIN: Mapping[type, Notation] = {
    bool: _one_of(_BOOLEANS),
    int: Notation(read=_whole, write=str, words="a whole number", example="1"),
    float: Notation(read=_fraction, write=repr, words="a decimal number", example="0.5"),
    str: Notation(read=str, write=str, words="text without a comma", example="text"),
    bytes: Notation(
        read=_octets,
        write=lambda value: f"0x{value.hex()}",
        words="bytes as 0x and two hex digits each",
        example="0x0a4d",
    ),
}
