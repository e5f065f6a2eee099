"""Parameters of behaviours as people write them: ``removal=delete,direction=c2s,ports=80+443``.

A behaviour's parameters are a frozen dataclass.  Its fields are the keys; the fields of a
dataclass inside it (`scope.Scope`) are keys as well, so no field's name may occur twice.  Values
are written by the field's type, and by the unit in its name where it has one.
"""

import ast
import dataclasses
import difflib
import inspect
import itertools
import textwrap
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from mptcp_check.errors import UsageError
from mptcp_check.middleboxes.parameter_values import Notation, notation

P = TypeVar("P")

_PAIRS = ","
_ASSIGNS = "="


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One key that a behaviour takes."""

    name: str
    type: str
    """What may be written, in words."""
    default: str | None
    """As it would be written; none if it follows from the place of the box in the network."""
    doc: str
    """What it means, as the dataclass documents it; empty if that cannot be read."""


def parse(text: str, parameters: type[P], *, defaults: P | None = None) -> P:
    """Return parameters from their text form.

    Args:
        text: ``key=value`` pairs with commas between them; empty leaves every default.
        parameters: The dataclass.
        defaults: What holds for keys that are not written; without it the dataclass's own.

    Raises:
        UsageError: A key or a value cannot be used; the message names it and what is allowed.
    """
    kinds = _notations(parameters)
    values: dict[str, Any] = {}
    for pair in text.split(_PAIRS) if text else ():
        key, assigns, written = (part.strip() for part in pair.partition(_ASSIGNS))
        if key not in kinds:
            raise UsageError(f"no parameter is called {key!r}", hint=_known(key, kinds))
        if not assigns:
            raise UsageError(f"parameter {key!r} needs a value", hint=_allowed(key, kinds[key]))
        if key in values:
            raise UsageError(f"parameter {key!r} is given twice", hint="give it once")
        try:
            values[key] = kinds[key].read(written)
        except ValueError:
            raise UsageError(
                f"{key}={written} cannot be used", hint=_allowed(key, kinds[key])
            ) from None
    try:
        return _made(parameters, values, defaults)
    except ValueError as error:
        raise UsageError(str(error), hint=f"it was given as {text!r}") from None


def describe(parameters: type[P], *, defaults: P | None = None) -> tuple[Field, ...]:
    """Return every key of a dataclass of parameters, in the order of its fields.

    Args:
        parameters: The dataclass.
        defaults: Whose values are told as defaults; without it the dataclass's own.
    """
    described: list[Field] = []
    documented = _documented(parameters)
    hints = typing.get_type_hints(parameters)
    for field in dataclasses.fields(_as_dataclass(parameters)):
        known = defaults is not None or not _is_required(field)
        value = getattr(defaults, field.name, _default_of(field))
        if dataclasses.is_dataclass(hints[field.name]):
            described += describe(hints[field.name], defaults=value)
            continue
        how = notation(field.name, hints[field.name])
        described.append(
            Field(
                name=field.name,
                type=how.words,
                default=how.write(value) if known else None,
                doc=documented.get(field.name, ""),
            )
        )
    return tuple(described)


def _made(parameters: type[P], values: Mapping[str, Any], defaults: P | None) -> P:
    """Return the dataclass with the values that concern it, inner dataclasses made first."""
    hints = typing.get_type_hints(parameters)
    own: dict[str, Any] = {}
    for field in dataclasses.fields(_as_dataclass(parameters)):
        hint = hints[field.name]
        if field.name in values:
            own[field.name] = values[field.name]
        elif dataclasses.is_dataclass(hint) and not values.keys().isdisjoint(_notations(hint)):
            inner = getattr(defaults, field.name) if defaults is not None else _default_of(field)
            own[field.name] = _made(typing.cast("type[Any]", hint), values, inner)
    if defaults is None:
        return parameters(**own)
    made: P = dataclasses.replace(typing.cast("Any", defaults), **own)
    return made


def _default_of(field: dataclasses.Field[Any]) -> Any:  # noqa: ANN401 - whatever the field holds
    if field.default is not dataclasses.MISSING:
        return field.default
    return None if field.default_factory is dataclasses.MISSING else field.default_factory()


def _is_required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _notations(parameters: Any) -> Mapping[str, Notation]:  # noqa: ANN401 - a dataclass
    """Return how each key is written."""
    kinds: dict[str, Notation] = {}
    hints = typing.get_type_hints(parameters)
    for field in dataclasses.fields(parameters):
        hint = hints[field.name]
        inner = _notations(hint) if dataclasses.is_dataclass(hint) else None
        kinds |= inner if inner is not None else {field.name: notation(field.name, hint)}
    return kinds


def _documented(parameters: type) -> Mapping[str, str]:
    """Return the string below each field of a class, which Python itself does not keep."""
    try:
        source = textwrap.dedent(inspect.getsource(parameters))
    except OSError:
        return {}
    (definition,) = ast.parse(source).body
    lines = definition.body if isinstance(definition, ast.ClassDef) else []
    found: dict[str, str] = {}
    for line, after in itertools.pairwise(lines):
        if (
            isinstance(line, ast.AnnAssign)
            and isinstance(line.target, ast.Name)
            and isinstance(after, ast.Expr)
            and isinstance(after.value, ast.Constant)
        ):
            found[line.target.id] = " ".join(str(after.value.value).split())
    return found


def _as_dataclass(parameters: type) -> Any:  # noqa: ANN401 - mypy knows no type for it
    assert dataclasses.is_dataclass(parameters)  # noqa: S101
    return parameters


def _known(key: str, kinds: Mapping[str, Notation]) -> str:
    close = difflib.get_close_matches(key, kinds, n=1)
    meant = f"did you mean {close[0]!r}? " if close else ""
    return f"{meant}there are: {', '.join(kinds) or 'none'}"


def _allowed(key: str, how: Notation) -> str:
    return f"{key} takes {how.words}, such as {key}={how.example}"
