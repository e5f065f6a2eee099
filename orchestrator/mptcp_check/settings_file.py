"""The settings that a user keeps in a TOML file, and the table of what can be kept there.

A setting of a command is what its option says when neither the command line nor the environment
does.  The table says which options that is sensible for: not for `--json` or `--out`, which are
about one call.
"""

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from pathlib import Path

from mptcp_check.errors import UsageError

SIZE_LIMIT_BYTES = 64 * 1024
HOME = "home"
"""The setting that belongs to no command: one folder for everything."""

Value = str | float | bool | tuple[str, ...]


class Kind(Enum):
    """What a value may be."""

    TEXT = auto()
    TEXTS = auto()
    """A list, or one text."""
    NUMBER = auto()
    FLAG = auto()
    FILE = auto()
    """A path; ``~`` is the user's folder."""


EXPECTED: Mapping[Kind, str] = {
    Kind.TEXT: "a text",
    Kind.TEXTS: "a list of texts",
    Kind.NUMBER: "a number",
    Kind.FLAG: "true or false",
    Kind.FILE: "a path",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One line of the table."""

    command: str
    key: str
    """As in the file, and as the option is called."""
    parameter: str
    """As the command's function is given it."""
    kind: Kind = Kind.TEXT
    choices: tuple[str, ...] = ()
    """What a text may be; anything when empty."""


SETTINGS = (
    Setting(command="run", key="server", parameter="server"),
    Setting(command="run", key="machine", parameter="machine"),
    Setting(command="run", key="iface", parameter="interfaces", kind=Kind.TEXTS),
    Setting(command="run", key="apps", parameter="apps"),
    Setting(
        command="run",
        key="depth",
        parameter="depth",
        choices=("quick", "default", "full", "metered"),
    ),
    Setting(command="run", key="boot-timeout", parameter="boot_timeout", kind=Kind.NUMBER),
    Setting(command="run", key="no-upload", parameter="no_upload", kind=Kind.FLAG),
    Setting(command="run", key="fail-on", parameter="fail_on", choices=("interference",)),
    Setting(command="doctor", key="server", parameter="server"),
    Setting(command="doctor", key="iface", parameter="interfaces", kind=Kind.TEXTS),
    Setting(command="upload", key="collector", parameter="collector"),
    Setting(command="upload", key="collector-key", parameter="collector_key"),
    Setting(command="upload", key="consent", parameter="consent_file", kind=Kind.FILE),
    Setting(command="upload", key="rate", parameter="rate", kind=Kind.NUMBER),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """What a file says."""

    home: Path | None = None
    commands: Mapping[str, Mapping[str, Value]] = field(default_factory=dict)
    """Command -> parameter -> value."""


def read(path: Path) -> Stored:
    """Return what is in a file; nothing when there is none.

    Raises:
        UsageError: It cannot be read, or holds what means nothing.
    """
    try:
        with path.open("rb") as file:
            content = file.read(SIZE_LIMIT_BYTES + 1)
    except FileNotFoundError:
        return Stored()
    except OSError as e:
        raise UsageError(
            f"{path} cannot be read: {(e.strerror or str(e)).lower()}",
            hint="look at its rights, or move it away",
        ) from None
    return parse(content, where=str(path))


def parse(content: bytes, *, where: str) -> Stored:
    """Return what a file's bytes say; PURE.

    Raises:
        UsageError: They are not TOML, or hold what means nothing.
    """
    if len(content) > SIZE_LIMIT_BYTES:
        raise _wrong(f"{where} is longer than {SIZE_LIMIT_BYTES} bytes")
    try:
        document = tomllib.loads(content.decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as e:
        raise _wrong(f"{where} is not TOML: {e}") from None
    home = document.pop(HOME, None)
    commands = {}
    for name, table in document.items():
        keys = {s.key: s for s in SETTINGS if s.command == name}
        if not keys or not isinstance(table, dict):
            raise _unknown(name, [HOME, *(s.command for s in SETTINGS)], where)
        values = {}
        for key, value in table.items():
            if key not in keys:
                raise _unknown(key, keys, f"{where}: [{name}]")
            values[keys[key].parameter] = _value(keys[key], value, f"{where}: [{name}] {key}")
        commands[name] = values
    return Stored(home=None if home is None else _path(home, f"{where}: {HOME}"), commands=commands)


def _value(setting: Setting, value: object, where: str) -> Value:
    match setting.kind, value:
        case Kind.FLAG, bool():
            return value
        case Kind.NUMBER, int() | float() if not isinstance(value, bool):
            return value
        case Kind.TEXTS, str():
            return (value,)
        case Kind.TEXTS, list() if all(isinstance(text, str) for text in value):
            return tuple(value)
        case Kind.FILE, str():
            return str(_path(value, where))
        case Kind.TEXT, str() if not setting.choices or value in setting.choices:
            return value
    wanted = " or ".join(setting.choices) or EXPECTED[setting.kind]
    raise _wrong(f"{where} = {value!r} is not {wanted}")


def _path(value: object, where: str) -> Path:
    if isinstance(value, str) and value:
        try:
            path = Path(value).expanduser()
        except RuntimeError:  # ~nobody
            path = Path(value)
        if path.is_absolute():
            return path
    raise _wrong(f"{where} = {value!r} is not a whole path: it begins with / or ~/")


def _unknown(name: str, known: Mapping[str, object] | list[str], where: str) -> UsageError:
    close = difflib.get_close_matches(name, list(known), n=1)
    names = ", ".join(dict.fromkeys(known))
    hint = f"did you mean '{close[0]}'?" if close else f"there are {names}"
    return UsageError(f"{where}: '{name}' means nothing", hint=hint)


def _wrong(message: str) -> UsageError:
    return UsageError(message, hint="correct the file; `mptcp-check config show` reads it again")
