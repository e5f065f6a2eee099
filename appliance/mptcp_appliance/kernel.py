"""A kernel as an image takes it, and Debian's package of one taken apart without installing it."""

import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from mptcp_appliance import bzimage, kconfig, modules, process
from mptcp_appliance.errors import ImageError
from mptcp_appliance.kernel_declaration import BinaryKernel
from mptcp_appliance.modules import Module


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """The parts of a kernel that an image is made of."""

    release: str
    """What ``uname -r`` says."""
    image: bytes
    """The kernel itself, as a boot loader or UEFI firmware takes it."""
    config: str
    built_in: str
    """Text of ``modules.builtin``; empty for a kernel without modules."""
    packed_modules: Mapping[str, bytes]
    """Module files as packed, by path below ``/lib/modules/RELEASE``."""


def read(package: Path) -> Kernel:
    """Read a kernel's ``.deb``.

    Raises:
        ImageError: It holds no kernel, or cannot be read.
    """
    files: dict[str, bytes] = {}
    wanted = ("boot/vmlinuz-", "boot/config-", "lib/modules/", "usr/lib/modules/")
    with process.running(["dpkg-deb", "--fsys-tarfile", str(package)]) as dpkg:
        try:
            with tarfile.open(fileobj=process.output(dpkg), mode="r|") as archive:
                for member in archive:
                    path = member.name.removeprefix("./")
                    content = archive.extractfile(member) if path.startswith(wanted) else None
                    if content is not None:
                        files[path.removeprefix("usr/")] = content.read()
        except (tarfile.TarError, EOFError) as e:
            raise ImageError(f"the kernel package {package.name} cannot be read: {e}") from e
        # what is left in the pipe would make dpkg-deb end with an error of its own
        while process.output(dpkg).read(1 << 16):
            pass
        if dpkg.wait() != 0:
            raise process.failed("dpkg-deb", dpkg.returncode, [f"reading {package.name}"])
    return _kernel(files, package.name)


def _kernel(files: Mapping[str, bytes], package: str) -> Kernel:
    releases = [p.removeprefix("boot/vmlinuz-") for p in files if p.startswith("boot/vmlinuz-")]
    if len(releases) != 1:
        raise ImageError(
            f"the package {package} holds {len(releases)} kernels",
            hint="name the meta package of one kernel in image.toml, under [kernel]",
        )
    release = releases[0]
    folder = f"lib/modules/{release}/"
    return Kernel(
        release=release,
        image=files[f"boot/vmlinuz-{release}"],
        config=files.get(f"boot/config-{release}", b"").decode(),
        built_in=files.get(f"{folder}modules.builtin", b"").decode(),
        packed_modules={
            path.removeprefix(folder): data
            for path, data in files.items()
            if path.startswith(folder) and ".ko" in path
        },
    )


def bootable(kernel: Kernel) -> bytes:
    """Return the form of a kernel that boots fastest: bare where QEMU can start that."""
    has_entry = kconfig.options(kernel.config).get("CONFIG_PVH") == "y"
    return bzimage.unwrapped(kernel.image) if has_entry else kernel.image


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The modules of a kernel that an image carries, each one after what it needs."""

    boot: tuple[Module, ...]
    """For the initramfs."""
    root: tuple[Module, ...]
    """For the root file system; the ones of the initramfs are among them."""


NO_MODULES = Selection(boot=(), root=())
"""For a kernel with everything built in."""


def select(kernel: Kernel, wanted: BinaryKernel) -> Selection:
    """Check that the kernel has all that is required, and choose the modules it needs for that.

    Raises:
        ImageError: An option or a module is missing; it is named.
    """
    declared = {**wanted.boot_modules, **wanted.root_modules}
    as_modules = set(kconfig.check(wanted.required, kernel.config, modules=declared))
    paths = {modules.name_of(path): path for path in sorted(kernel.packed_modules)}

    @cache
    def find(name: str) -> Module | None:
        path = paths.get(name)
        return None if path is None else modules.expand(path, kernel.packed_modules[path])

    built_in = frozenset(modules.name_of(line) for line in kernel.built_in.splitlines())

    def chosen(rows: Mapping[str, tuple[str, ...]]) -> tuple[Module, ...]:
        names = [name for option in rows if option in as_modules for name in rows[option]]
        return modules.closure(names, find, built_in=built_in)

    return Selection(boot=chosen(wanted.boot_modules), root=chosen(declared))


def module_files(kernel: Kernel, selection: Selection) -> dict[str, bytes]:
    """Return the files below ``usr/lib/modules`` of the root file system, by path in the image.

    There are none for a kernel that has no modules.
    """
    if not kernel.packed_modules:
        return {}
    folder = f"usr/lib/modules/{kernel.release}"
    return {
        **{f"{folder}/{module.path}": module.data for module in selection.root},
        f"{folder}/modules.dep": modules.dependency_table(selection.root).encode(),
        f"{folder}/modules.alias": modules.alias_table(selection.root).encode(),
        f"{folder}/modules.builtin": kernel.built_in.encode(),
    }
