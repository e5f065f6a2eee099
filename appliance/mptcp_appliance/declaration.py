"""What an image consists of, as one frozen value: all that a build depends on but the packages."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass

from mptcp_appliance.errors import ImageError

_TYPE_NAMES = {str: "a text", int: "a whole number", list: "a list", dict: "a table"}

Row = Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Directory:
    """A directory that no package brings."""

    path: str
    """Inside the image, without a slash in front."""
    mode: int
    user: str


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A user, and the group of the same name; without a password until one is set."""

    name: str
    id: int
    """User and group number."""
    home: str
    shell: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """One image as its folder declares it."""

    name: str
    suite: str
    """Debian's code name; updates and security updates of it belong to it."""
    source_date_epoch: int
    """Seconds since 1970: every time stamp in the image."""
    packages: tuple[str, ...]
    exclude: tuple[str, ...]
    """fnmatch patterns of paths that the image leaves out; ``*`` matches slashes too."""
    directories: tuple[Directory, ...]
    users: tuple[User, ...]
    kernel_package: str
    """A meta package; ``%s`` stands for Debian's name of the architecture."""
    command_line: tuple[str, ...]
    """Words for the kernel that hold for every architecture."""
    consoles: Mapping[str, str]
    """Serial console by Debian's name of the architecture."""
    boot_modules: Mapping[str, tuple[str, ...]]
    """Modules that the initramfs loads, by the kernel option they stand for."""
    root_modules: Mapping[str, tuple[str, ...]]
    """Modules that the kernel loads when they are wanted, by option."""
    required_options: str
    """Text of ``kernel-config/required.config``."""
    root_files: Mapping[str, bytes]
    """Files over those of the packages, by path inside the image."""
    initramfs_init: bytes
    """The first program; a shell script for busybox."""
    hooks: Mapping[str, bytes]
    """Programs that mmdebstrap runs, by file name."""


def declaration(
    text: str,
    *,
    required_options: str,
    root_files: Mapping[str, bytes],
    initramfs_init: bytes,
    hooks: Mapping[str, bytes],
    where: str,
) -> Declaration:
    """Read an image's TOML.

    Args:
        text: The content of ``image.toml``.
        required_options: The content of ``kernel-config/required.config``.
        root_files: The folder ``rootfs``, by path inside the image.
        initramfs_init: The file ``initramfs/init``.
        hooks: The folder ``hooks``, by file name.
        where: Name of the file, for messages.

    Raises:
        ImageError: Not TOML, a key is missing, unknown or of the wrong kind.
    """
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as e:
        raise ImageError(f"{where} is not TOML: {e}", hint="Correct the file.") from e
    reader = _Reader(table, where)
    kernel = reader.table("kernel")
    modules = reader.table("modules")
    result = Declaration(
        name=reader.text("name"),
        suite=reader.text("suite"),
        source_date_epoch=reader.number("source_date_epoch"),
        packages=reader.texts("packages"),
        exclude=reader.texts("exclude"),
        directories=tuple(
            Directory(path=row.text("path"), mode=row.number("mode"), user=row.text("user"))
            for row in reader.rows("directories")
        ),
        users=tuple(
            User(
                name=row.text("name"),
                id=row.number("id"),
                home=row.text("home"),
                shell=row.text("shell"),
            )
            for row in reader.rows("users")
        ),
        kernel_package=kernel.text("package"),
        command_line=kernel.texts("command_line"),
        consoles=kernel.table("console").all_text(),
        boot_modules=modules.table("boot").all_texts(),
        root_modules=modules.table("root").all_texts(),
        required_options=required_options,
        root_files=dict(sorted(root_files.items())),
        initramfs_init=initramfs_init,
        hooks=dict(sorted(hooks.items())),
    )
    reader.nothing_left()
    return result


class _Reader:
    """Takes typed values out of a TOML table and knows which keys nobody asked for."""

    def __init__(self, table: Row, where: str) -> None:
        self._table = dict(table)
        self._where = where
        self._children: list[_Reader] = []

    def text(self, key: str) -> str:
        value = self._take(key, str)
        assert isinstance(value, str)  # noqa: S101 - _take checked it
        return value

    def number(self, key: str) -> int:
        value = self._take(key, int)
        assert isinstance(value, int)  # noqa: S101 - _take checked it
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        value = self._take(key, list)
        assert isinstance(value, list)  # noqa: S101 - _take checked it
        if not all(isinstance(item, str) for item in value):
            raise self._wrong(key, "a list of texts")
        return tuple(value)

    def table(self, key: str) -> "_Reader":
        value = self._take(key, dict)
        assert isinstance(value, dict)  # noqa: S101 - _take checked it
        return self._child(value, key)

    def rows(self, key: str) -> "list[_Reader]":
        value = self._take(key, list)
        assert isinstance(value, list)  # noqa: S101 - _take checked it
        if not all(isinstance(item, dict) for item in value):
            raise self._wrong(key, "a list of tables")
        return [self._child(row, f"{key}[{n}]") for n, row in enumerate(value)]

    def all_text(self) -> dict[str, str]:
        return {key: self.text(key) for key in sorted(self._table)}

    def all_texts(self) -> dict[str, tuple[str, ...]]:
        return {key: self.texts(key) for key in sorted(self._table)}

    def nothing_left(self) -> None:
        if self._table:
            unknown = ", ".join(sorted(self._table))
            raise ImageError(
                f"{self._where} has keys that mean nothing: {unknown}",
                hint="Remove them or correct their spelling.",
            )
        for child in self._children:
            child.nothing_left()

    def _child(self, value: Row, key: str) -> "_Reader":
        child = _Reader(value, f"{self._where}: {key}")
        self._children.append(child)
        return child

    def _take(self, key: str, kind: type) -> object:
        if key not in self._table:
            raise ImageError(f"{self._where} has no {key}", hint=f"Add {key} to the file.")
        value = self._table.pop(key)
        # a bool is an int to Python, never to an image
        if not isinstance(value, kind) or isinstance(value, bool):
            raise self._wrong(key, _TYPE_NAMES[kind])
        return value

    def _wrong(self, key: str, wanted: str) -> ImageError:
        return ImageError(f"{self._where}: {key} is not {wanted}", hint="Correct the file.")
