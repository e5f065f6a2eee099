"""Which kernel an image boots: one that is built from source, or the distribution's own."""

from collections.abc import Mapping
from dataclasses import dataclass

from mptcp_appliance import kconfig
from mptcp_appliance.errors import ImageError
from mptcp_appliance.kconfig import Request
from mptcp_appliance.toml_reader import Reader

REQUIRED = "required"
"""The fragment with what the guest needs of any kernel, whoever built it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceKernel:
    """A kernel that is built from the distribution's source package; it has no modules."""

    package: str
    """The source package, a ``.deb`` that holds one archive of the same name."""
    version: str
    """Debian's version; when the archive does not have it any more, its newest is taken."""
    requests: Mapping[str, tuple[Request, ...]]
    """What the fragments ask for, by Debian's name of the architecture."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BinaryKernel:
    """A kernel that the distribution built, with modules."""

    package: str
    """A meta package; ``%s`` stands for Debian's name of the architecture."""
    required: tuple[Request, ...]
    """What the guest needs of it."""
    boot_modules: Mapping[str, tuple[str, ...]]
    """Modules that the initramfs loads, by the kernel option they stand for."""
    root_modules: Mapping[str, tuple[str, ...]]
    """Modules that the kernel loads when they are wanted, by option."""


Kernel = SourceKernel | BinaryKernel


def read(table: Reader, *, fragments: Mapping[str, str], where: str) -> Kernel:
    """Read the table ``[kernel.source]`` or ``[kernel.binary]``, whichever is there.

    Args:
        table: The table ``[kernel]``.
        fragments: Content of each fragment, by name.
        where: Name of the file, for messages.

    Raises:
        ImageError: None or both are there, something in it is wrong, or a fragment is unknown.
    """
    if table.has("source") == table.has("binary"):
        raise ImageError(
            f"{where}: kernel is not one of source and binary",
            hint="write one of the tables [kernel.source] and [kernel.binary]",
        )
    if table.has("source"):
        return _source(table.table("source"), fragments, where)
    binary = table.table("binary")
    modules = binary.table("modules")
    return BinaryKernel(
        package=binary.text("package"),
        required=kconfig.merge(_named((REQUIRED,), fragments, where)),
        boot_modules=modules.table("boot").all_texts(),
        root_modules=modules.table("root").all_texts(),
    )


def _source(table: Reader, fragments: Mapping[str, str], where: str) -> SourceKernel:
    common = table.texts("fragments")
    own = table.table("fragments_of").all_texts()
    return SourceKernel(
        package=table.text("package"),
        version=table.text("version"),
        requests={
            architecture: kconfig.merge(_named((*common, *names), fragments, where))
            for architecture, names in own.items()
        },
    )


def _named(
    names: tuple[str, ...], fragments: Mapping[str, str], where: str
) -> list[tuple[str, str]]:
    for name in names:
        if name not in fragments:
            raise ImageError(
                f"{where} names the kernel fragment {name}, which does not exist",
                hint=f"known: {', '.join(sorted(fragments))}",
            )
    return [(name, fragments[name]) for name in names]
