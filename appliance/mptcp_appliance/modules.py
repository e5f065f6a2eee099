"""Kernel modules: what each one needs and answers to, read from the module files themselves.

The build machine needs no kmod for it: dependencies and aliases stand in the section
``.modinfo`` of each module (include/linux/module.h, ``MODULE_INFO``), and the text forms
of ``modules.dep`` and ``modules.alias`` (modules.dep(5)) are what busybox's modprobe reads.
"""

import gzip
import lzma
import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import zstandard

from mptcp_appliance.errors import ImageError

_DECOMPRESS: Mapping[str, Callable[[bytes], bytes]] = {
    ".ko": lambda data: data,
    ".ko.gz": gzip.decompress,
    ".ko.xz": lzma.decompress,
    ".ko.zst": lambda data: zstandard.ZstdDecompressor().decompressobj().decompress(data),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Module:
    """One module, expanded."""

    name: str
    """With underscores, as lsmod shows it."""
    path: str
    """Below ``/lib/modules/RELEASE``, without the suffix of a compression."""
    data: bytes
    """An ELF object."""
    needs: tuple[str, ...]
    """Names of modules that must be there before."""
    prefers: tuple[str, ...]
    """Names of modules that are loaded before if they exist (``MODULE_SOFTDEP``); some are
    aliases of what is built in."""
    aliases: tuple[str, ...]
    """Patterns that the kernel asks for when it wants this module."""


def name_of(path: str) -> str:
    """Return the name of the module in a file: ``a/virtio-rng.ko.xz`` is ``virtio_rng``."""
    return path.rsplit("/", 1)[-1].split(".ko", 1)[0].replace("-", "_")


def expand(path: str, packed: bytes) -> Module:
    """Expand one module file and read what it says about itself.

    Raises:
        ImageError: An unknown compression, or not a 64-bit little-endian ELF object.
    """
    suffix = path[path.rindex(".ko") :]
    if suffix not in _DECOMPRESS:
        raise ImageError(f"the module {path} is packed in an unknown way")
    data = _DECOMPRESS[suffix](packed)
    pairs = [text.partition("=") for text in modinfo(data)]
    depends = [name for key, _, names in pairs if key == "depends" for name in names.split(",")]
    softdep = [words.split() for key, _, words in pairs if key == "softdep"]
    before = [name for words in softdep if words[:1] == ["pre:"] for name in _pre(words[1:])]
    return Module(
        name=name_of(path),
        path=path[: len(path) - len(suffix)] + ".ko",
        data=data,
        needs=tuple(name.replace("-", "_") for name in depends if name),
        prefers=tuple(name.replace("-", "_") for name in before),
        aliases=tuple(alias for key, _, alias in pairs if key == "alias"),
    )


def _pre(words: list[str]) -> list[str]:
    return words[: words.index("post:")] if "post:" in words else words


def modinfo(elf: bytes) -> list[str]:
    """Return the ``key=value`` texts of a module's section ``.modinfo``.

    Layout: ELF-64 object file format, version 1.5; a module is always a relocatable
    object with section headers.

    Raises:
        ImageError: Not such an ELF object, or no such section.
    """
    try:
        if elf[:6] != b"\x7fELF\x02\x01":
            raise ImageError("a module is not a 64-bit little-endian ELF object")
        (headers_at,) = struct.unpack_from("<Q", elf, 0x28)
        entry_bytes, count, names_index = struct.unpack_from("<HHH", elf, 0x3A)
        # of each header: name offset, ..., file offset, size
        sections = [
            (name, offset, size)
            for name, offset, size in (
                struct.unpack_from("<I20xQQ", elf, headers_at + n * entry_bytes)
                for n in range(count)
            )
        ]
        names_at = sections[names_index][1]
        for name, offset, size in sections:
            start = names_at + name
            if elf[start : start + 9] == b".modinfo\0":
                texts = elf[offset : offset + size].split(b"\0")
                return [text.decode(errors="replace") for text in texts if text]
    except (struct.error, IndexError, OverflowError) as e:
        raise ImageError(f"a module is a broken ELF object: {e}") from e
    raise ImageError("a module has no section .modinfo")


def closure(
    wanted: Iterable[str], find: Callable[[str], Module | None], *, built_in: frozenset[str]
) -> tuple[Module, ...]:
    """Return the wanted modules and all they need, each one after what it needs.

    Args:
        wanted: Names.
        find: Gives the module of a name, or none.
        built_in: Names of what this kernel carries itself; they need no file.

    Raises:
        ImageError: A name is neither a module nor built in.
    """
    ordered: dict[str, Module] = {}
    visiting: set[str] = set()

    def visit(name: str, asked_by: str) -> None:
        if name in ordered or name in built_in or name in visiting:
            return
        module = find(name)
        if module is None:
            raise ImageError(
                f"the kernel has no module {name}, which {asked_by} needs",
                hint="correct the name in image.toml, under [modules]",
            )
        visiting.add(name)
        for need in module.needs:
            visit(need, name)
        for wish in module.prefers:
            if find(wish) is not None:
                visit(wish, name)
        ordered[name] = module

    for name in wanted:
        visit(name.replace("-", "_"), "the image")
    return tuple(ordered.values())


def dependency_table(modules: Iterable[Module]) -> str:
    """Return ``modules.dep``: each module's file, and all files that it needs, directly or not.

    The last one of a line is loaded first, as depmod(8) writes it.

    Args:
        modules: Each one after what it needs.
    """
    needed: dict[str, dict[str, None]] = {}
    path_of: dict[str, str] = {}
    for module in modules:
        path_of[module.name] = module.path
        before: dict[str, None] = {}
        for need in (*module.needs, *module.prefers):
            before |= needed.get(need, {})
            if need in path_of:
                before[need] = None
        needed[module.name] = before
    return "".join(
        sorted(
            f"{path_of[name]}:{''.join(f' {path_of[need]}' for need in reversed(before))}\n"
            for name, before in needed.items()
        )
    )


def alias_table(modules: Iterable[Module]) -> str:
    """Return ``modules.alias``: which module answers to what the kernel asks for."""
    return "".join(
        sorted(f"alias {alias} {module.name}\n" for module in modules for alias in module.aliases)
    )
