"""Check a JSON value against the types of `mptcp_guest.messages`, naming what does not fit.

The types are TypedDicts of strings, numbers, booleans, lists, dictionaries and unions of them:
one definition serves the type checker, the documentation and the check at run time.
"""

import types
from typing import (
    Any,
    Literal,
    NotRequired,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

TEXT_LIMIT = 60
"""How much of a wrong value a message repeats."""


class MisfitError(Exception):
    """A value that does not fit; the text names the place, the value and what was wanted."""


def checked(value: object, wanted: Any, where: str) -> Any:  # noqa: ANN401 - the type is an argument
    """Return the value when it fits the type.

    Args:
        value: As `json.loads` gives it.
        wanted: A TypedDict, or a type as its fields have.
        where: What the message calls the value, e.g. ``lab_up.interfaces[0]``.

    Returns:
        The same value.

    Raises:
        MisfitError: It does not fit.
    """
    if wanted is Any:
        return value
    if is_typeddict(wanted):
        _check_fields(value, wanted, where)
    elif wanted in _SCALARS:
        name, fitting, misleading = _SCALARS[wanted]
        if not isinstance(value, fitting) or isinstance(value, misleading):
            raise _misfit(value, name, where)
    else:
        _GENERICS[get_origin(wanted)](value, get_args(wanted), where)
    return value


_SCALARS: dict[object, tuple[str, tuple[type, ...], tuple[type, ...]]] = {
    str: ("a text", (str,), ()),
    bool: ("true or false", (bool,), ()),
    int: ("a whole number", (int,), (bool,)),
    float: ("a number", (int, float), (bool,)),
    types.NoneType: ("null", (types.NoneType,), ()),
}
"""Per type its name for people, what fits, and what only seems to: Python's bool is an int."""


def _check_fields(value: object, wanted: type, where: str) -> None:
    if not isinstance(value, dict):
        raise _misfit(value, "an object", where)
    hints = get_type_hints(wanted, include_extras=True)
    unknown = sorted(str(key) for key in value if key not in hints)
    if unknown:
        raise MisfitError(f"{where}: does not know {', '.join(unknown)[:TEXT_LIMIT]}")
    for name, kind in hints.items():
        optional = get_origin(kind) is NotRequired
        if name in value:
            checked(value[name], get_args(kind)[0] if optional else kind, f"{where}.{name}")
        elif not optional:
            raise MisfitError(f"{where}: {name} is missing")


def _check_items(value: object, wanted: tuple[Any, ...], where: str) -> None:
    if not isinstance(value, list):
        raise _misfit(value, "a list", where)
    for index, item in enumerate(value):
        checked(item, wanted[0], f"{where}[{index}]")


def _check_mapping(value: object, wanted: tuple[Any, ...], where: str) -> None:
    if not isinstance(value, dict):
        raise _misfit(value, "an object", where)
    for key, item in value.items():
        checked(item, wanted[1], f"{where}.{key}"[: 2 * TEXT_LIMIT])


def _check_alternatives(value: object, alternatives: tuple[Any, ...], where: str) -> None:
    misfits = []
    for wanted in alternatives:
        try:
            checked(value, wanted, where)
        except MisfitError as misfit:
            misfits.append(misfit)
        else:
            return
    raise misfits[0]


def _check_literal(value: object, allowed: tuple[object, ...], where: str) -> None:
    if not isinstance(value, str) or value not in allowed:
        raise _misfit(value, f"one of {', '.join(map(str, allowed))}", where)


_GENERICS = {
    list: _check_items,
    dict: _check_mapping,
    Literal: _check_literal,
    Union: _check_alternatives,
    types.UnionType: _check_alternatives,
}


def _misfit(value: object, wanted: str, where: str) -> MisfitError:
    return MisfitError(f"{where}: {repr(value)[:TEXT_LIMIT]} is not {wanted}")
