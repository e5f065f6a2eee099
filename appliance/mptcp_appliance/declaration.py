"""What an image consists of, as one frozen value: all that a build depends on but the packages."""

from collections.abc import Mapping
from dataclasses import dataclass

from mptcp_appliance import kernel_declaration
from mptcp_appliance.errors import ImageError
from mptcp_appliance.kernel_declaration import Kernel
from mptcp_appliance.toml_reader import Reader, Row


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
    kernel: Kernel
    selftests: bool
    """Whether upstream's selftests of Multipath TCP go into the image; they come with a kernel
    that is built from its source."""
    command_line: tuple[str, ...]
    """Words for the kernel that hold for every architecture."""
    consoles: Mapping[str, str]
    """Serial console by Debian's name of the architecture."""
    root_files: Mapping[str, bytes]
    """Files over those of the packages, by path inside the image."""
    initramfs_init: bytes
    """The first program; a shell script for busybox."""
    hooks: Mapping[str, bytes]
    """Programs that mmdebstrap runs, by file name."""


def declaration(
    table: Row,
    *,
    fragments: Mapping[str, str],
    root_files: Mapping[str, bytes],
    initramfs_init: bytes,
    hooks: Mapping[str, bytes],
    where: str,
) -> Declaration:
    """Read an image's TOML.

    Args:
        table: The content of ``image.toml``.
        fragments: The files of ``kernel-config/``, by name without its suffix.
        root_files: The folder ``rootfs``, by path inside the image.
        initramfs_init: The file ``initramfs/init``.
        hooks: The folder ``hooks``, by file name.
        where: Name of the file, for messages.

    Raises:
        ImageError: A key is missing, unknown or of the wrong kind; or a kernel fragment is.
    """
    reader = Reader(table, where)
    kernel = reader.table("kernel")
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
        command_line=kernel.texts("command_line"),
        consoles=kernel.table("console").all_text(),
        kernel=kernel_declaration.read(kernel, fragments=fragments, where=where),
        selftests=reader.flag("selftests"),
        root_files=dict(sorted(root_files.items())),
        initramfs_init=initramfs_init,
        hooks=dict(sorted(hooks.items())),
    )
    reader.nothing_left()
    return result


def derived(base: Row, own: Row, *, where: str) -> Row:
    """Return the table of an image that is declared by what it has other than another image.

    A key of its own replaces the other's, a table as a whole; ``more_packages`` adds to the
    other's packages. Its files are the other's.

    Raises:
        ImageError: ``more_packages`` is not a list.
    """
    more = own.get("more_packages", [])
    packages = own.get("packages", base.get("packages"))
    if not isinstance(more, list) or not isinstance(packages, list):
        raise ImageError(f"{where}: more_packages is not a list", hint="correct the file")
    merged = {**base, **own, "packages": [*packages, *more]}
    merged.pop("more_packages", None)
    return merged
