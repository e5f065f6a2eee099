"""Build a kernel from Debian's source, or find it where it was built before."""

import json
import os
import platform
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mptcp_appliance import kconfig, kernel_plan, kernel_source, plan, process
from mptcp_appliance.errors import ImageError
from mptcp_appliance.image import file_digest
from mptcp_appliance.kernel import Kernel
from mptcp_appliance.kernel_declaration import SourceKernel
from mptcp_appliance.kernel_progress import counter
from mptcp_appliance.workshop import Workshop

FOLDER = "kernels"
"""Folder in the image cache; in it a folder for each kernel, by content hash."""

_ABOUT, _IMAGE, _CONFIG, _SELFTESTS = "about.json", "kernel", "config", "selftests"

_TOOLS = ("make", "flex", "bison", "bc", "zstd", "xz", "tar", "dpkg-deb", "mmdebstrap")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What decides how a kernel is built, beside its options."""

    suite: str
    """Debian's code name."""
    epoch_s: int
    """The moment of all time stamps, in seconds since 1970."""
    hook: bytes
    """The program that fetches the source."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltKernel:
    """A kernel in the cache; its files are never changed."""

    directory: Path
    kernel: Kernel
    facts: Mapping[str, str]
    """What it was made of: source package, its digest, compiler."""
    selftests: Mapping[str, bytes]
    """Upstream's selftests of Multipath TCP, by path below their folder."""


def ensure(
    kernel: SourceKernel,
    recipe: Recipe,
    *,
    architecture: str,
    cache_dir: Path,
    shop: Workshop,
) -> BuiltKernel:
    """Return a kernel, built now if the cache does not hold it; that takes minutes.

    The caller sees to it that one build at a time runs in a cache folder. A kernel appears in
    the cache whole or not at all.

    Args:
        kernel: What is wanted.
        recipe: What else decides how it is built.
        architecture: Debian's name; another one than this machine's is compiled across.
        cache_dir: Of the images; made if it is not there.
        shop: Its folder is empty, before and after.

    Raises:
        ImageError: It cannot be built, or what lies in its place is damaged.
    """
    key = kernel_plan.key(kernel, architecture=architecture, epoch_s=recipe.epoch_s)
    directory = cache_dir / FOLDER / f"{architecture}-{key}"
    if not directory.is_dir():
        result = _built(kernel, recipe, architecture, shop)
        directory.parent.mkdir(parents=True, exist_ok=True)
        result.rename(directory)
        # the image that follows needs the room
        for path in shop.work.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    return read(directory)


def read(directory: Path) -> BuiltKernel:
    """Read a kernel in the cache, and compare it with the digest that it was built with.

    Raises:
        ImageError: It is damaged.
    """
    try:
        about = json.loads((directory / _ABOUT).read_text(encoding="utf-8"))
        digest, release = about["sha256"], about["release"]
        facts = {str(name): str(value) for name, value in about["facts"].items()}
        whole = file_digest(directory / _IMAGE) == digest
        image = (directory / _IMAGE).read_bytes()
        config = (directory / _CONFIG).read_text(encoding="utf-8")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as e:
        raise ImageError(
            f"the kernel in {directory} cannot be read: {e}", hint=_again(directory)
        ) from e
    if not whole:
        raise ImageError(f"the kernel in {directory} was changed", hint=_again(directory))
    folder = directory / _SELFTESTS
    return BuiltKernel(
        directory=directory,
        kernel=Kernel(release=release, image=image, config=config, built_in="", packed_modules={}),
        facts=facts,
        selftests={
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        },
    )


def _again(directory: Path) -> str:
    return f"Remove the folder {directory} and run again: the kernel is then built anew."


def _built(kernel: SourceKernel, recipe: Recipe, architecture: str, shop: Workshop) -> Path:
    here = plan.architecture(platform.machine())
    requests = kernel_plan.requests(kernel, architecture)
    _require_tools(kernel_plan.prefix(architecture, here=here))
    _require_room(shop.work)
    source = kernel_source.fetch(
        kernel, suite=recipe.suite, architecture=here, hook=recipe.hook, shop=shop
    )
    build = kernel_plan.Build(
        target=kernel_plan.target(architecture),
        prefix=kernel_plan.prefix(architecture, here=here),
        source=source.tree,
        output=shop.work / "objects",
        seed=shop.work / "seed.config",
    )
    result = shop.work / "result"
    programs = result / _SELFTESTS / "net/mptcp"
    programs.mkdir(parents=True)
    build.output.mkdir()
    build.seed.write_text(kconfig.seed(requests), encoding="utf-8")
    jobs = os.cpu_count() or 1
    progress = counter(shop.progress, about_steps=build.target.about_steps)
    environment = kernel_plan.environment(
        epoch_s=recipe.epoch_s, path=os.environ.get("PATH", os.defpath)
    )
    clean = ["env", "-i", *(f"{name}={value}" for name, value in environment.items())]

    def run(command: Sequence[str]) -> None:
        process.run(
            [*clean, *command],
            on_line=progress,
            on_silence=lambda: None,
            keep_open=shop.keep_open,
        )

    run(build.configure())
    config = (build.output / ".config").read_text(encoding="utf-8")
    kconfig.require_taken(requests, config)
    run(build.compile(jobs=jobs))
    run(build.headers(jobs=jobs))
    for program in kernel_plan.SELFTEST_PROGRAMS:
        run(build.selftest(program, programs))
    _collect(build, result, config=config)
    about = {
        "release": (build.output / "include/config/kernel.release").read_text().strip(),
        "sha256": file_digest(result / _IMAGE),
        "facts": {
            "source_package": source.package,
            "source_sha256": source.sha256,
            "compiler": kconfig.options(config).get("CONFIG_CC_VERSION_TEXT", "").strip('"'),
        },
    }
    (result / _ABOUT).write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
    return result


def _collect(build: kernel_plan.Build, result: Path, *, config: str) -> None:
    """Put what is kept of a build into the folder for the cache."""
    shutil.copyfile(build.output / build.target.result, result / _IMAGE)
    (result / _CONFIG).write_text(config, encoding="utf-8")
    tests = build.source / kernel_plan.SELFTESTS
    for pattern in kernel_plan.SELFTEST_SCRIPTS:
        for path in tests.glob(pattern):
            shutil.copyfile(path, result / _SELFTESTS / path.relative_to(tests))


def _require_tools(prefix: str) -> None:
    process.require(*_TOOLS, f"{prefix}gcc")
    if not process.succeeds(["gcc", "-fsyntax-only", "-include", "gelf.h", "-x", "c", os.devnull]):
        raise ImageError("building a kernel needs gelf.h", hint="run: apt install libelf-dev")


def _require_room(work: Path) -> None:
    free_mb = shutil.disk_usage(work).free // 10**6
    if free_mb < kernel_plan.NEEDED_MB:
        raise ImageError(
            f"building a kernel needs {kernel_plan.NEEDED_MB} MB in {work}, {free_mb} MB are free",
            hint="free some space, or take another folder for the cache",
        )
