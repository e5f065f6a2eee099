"""How a kernel is built from its source, as values: commands, environment, names, key. No I/O.

Nothing of the machine, the moment or the folder of a build shows in what it makes:
Documentation/kbuild/reproducible-builds.rst of the Linux kernel names the variables.
"""

import datetime as dt
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mptcp_appliance.errors import ImageError
from mptcp_appliance.kconfig import Request
from mptcp_appliance.kernel_declaration import SourceKernel

NEEDED_MB = 4000
"""Room for a build: source 1700, objects 900, archives 400, and the image that follows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One architecture, as the kernel's makefiles know it."""

    arch: str
    """``ARCH`` of make."""
    goal: str
    """What make is asked for; its result is also the file that UEFI firmware starts."""
    result: str
    """Where that lies in the build folder."""
    toolchain: str
    """Prefix of the compiler that makes programs for it elsewhere."""
    compiler_package: str
    """Debian's package of that compiler."""
    about_steps: int
    """How many lines make writes, measured with Linux 6.12: for telling a share, not exact."""


TARGETS: Mapping[str, Target] = {
    "amd64": Target(
        arch="x86_64",
        goal="bzImage",
        result="arch/x86/boot/bzImage",
        toolchain="x86_64-linux-gnu-",
        compiler_package="gcc-x86-64-linux-gnu",
        about_steps=2400,
    ),
    "arm64": Target(
        arch="arm64",
        goal="Image",
        result="arch/arm64/boot/Image",
        toolchain="aarch64-linux-gnu-",
        compiler_package="gcc-aarch64-linux-gnu",
        about_steps=2300,
    ),
}
"""By Debian's name of the architecture."""

SELFTESTS = "tools/testing/selftests"
"""Folder of upstream's selftests in the kernel's source."""

SELFTEST_SCRIPTS = ("net/mptcp/*.sh", "net/lib.sh", "net/net_helper.sh")
"""Those that speak of Multipath TCP, and what they include; patterns below `SELFTESTS`."""

SELFTEST_PROGRAMS = ("mptcp_connect", "mptcp_inq", "mptcp_sockopt", "pm_nl_ctl")
"""Their programs, one C file each, in ``net/mptcp``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """The folders and tools of one build."""

    target: Target
    prefix: str
    """Prefix of the compiler; empty on a machine of the target's own kind."""
    source: Path
    output: Path
    seed: Path
    """File with what is asked for, `mptcp_appliance.kconfig.seed`."""

    def make(self, goal: str, *, jobs: int = 1) -> list[str]:
        """Return the command that makes one goal."""
        return [
            "make",
            *("-C", str(self.source)),
            f"O={self.output}",
            f"ARCH={self.target.arch}",
            f"CROSS_COMPILE={self.prefix}",
            f"KCONFIG_ALLCONFIG={self.seed}",
            # Kconfig writes the version of each into .config where it finds one, and the kernel
            # uses none of them: on every machine it finds none
            *(f"{tool}=none-such" for tool in ("RUSTC", "BINDGEN", "PAHOLE")),
            f"-j{jobs}",
            goal,
        ]

    def configure(self) -> list[str]:
        """Return the command that writes ``.config``: what is asked for, and nothing else."""
        return self.make("allnoconfig")

    def compile(self, *, jobs: int) -> list[str]:
        """Return the command that makes the kernel."""
        return self.make(self.target.goal, jobs=jobs)

    def headers(self, *, jobs: int) -> list[str]:
        """Return the command that makes the headers for programs, ``usr/include``."""
        return self.make("headers", jobs=jobs)

    def selftest(self, program: str, into: Path) -> list[str]:
        """Return the command that compiles one program of the selftests, static."""
        return [
            f"{self.prefix}gcc",
            *("-O2", "-static", "-s", "-D_GNU_SOURCE", f"-ffile-prefix-map={self.source}=."),
            *("-isystem", str(self.output / "usr/include")),
            *("-I", str(self.source / SELFTESTS)),
            *("-o", str(into / program)),
            str(self.source / SELFTESTS / "net/mptcp" / f"{program}.c"),
        ]


def target(architecture: str) -> Target:
    """Return the target of an architecture by Debian's name.

    Raises:
        ImageError: No kernel is built for it.
    """
    if architecture not in TARGETS:
        raise ImageError(
            f"no kernel is built for {architecture}", hint=f"known: {', '.join(TARGETS)}"
        )
    return TARGETS[architecture]


def prefix(architecture: str, *, here: str) -> str:
    """Return the prefix of the compiler for an architecture on a machine that is `here`."""
    return "" if architecture == here else target(architecture).toolchain


def environment(*, epoch_s: int, path: str) -> dict[str, str]:
    """Return the whole environment of a build; nothing of the caller's leaks in.

    Variables such as ``KCFLAGS``, ``LOCALVERSION`` or, below another make, ``MAKEFLAGS`` would
    change what is built.

    Args:
        epoch_s: The moment of all time stamps, in seconds since 1970.
        path: Where programs are looked for.
    """
    moment = dt.datetime.fromtimestamp(epoch_s, tz=dt.UTC)
    return {
        "PATH": path,
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "SOURCE_DATE_EPOCH": str(epoch_s),
        "KBUILD_BUILD_TIMESTAMP": moment.strftime("%a %b %d %H:%M:%S UTC %Y"),
        "KBUILD_BUILD_USER": "mptcp-check",
        "KBUILD_BUILD_HOST": "mptcp-check",
        "KBUILD_BUILD_VERSION": "1",
    }


def key(kernel: SourceKernel, *, architecture: str, epoch_s: int) -> str:
    """Return 16 hexadecimal digits that differ whenever the kernel would be built differently.

    The compiler is not part of it: which one it was stands in the kernel's configuration.

    Args:
        kernel: What is built.
        architecture: Debian's name.
        epoch_s: The moment of all time stamps.

    Raises:
        ImageError: The kernel is not declared for the architecture.
    """
    build = Build(
        target=target(architecture),
        prefix="",
        source=Path("source"),
        output=Path("output"),
        seed=Path("seed"),
    )
    text = json.dumps(
        {
            "package": kernel.package,
            "version": kernel.version,
            "options": {r.option: r.value for r in requests(kernel, architecture)},
            "environment": environment(epoch_s=epoch_s, path=""),
            "commands": [
                build.configure(),
                build.compile(jobs=1),
                build.headers(jobs=1),
                *(build.selftest(program, Path("programs")) for program in SELFTEST_PROGRAMS),
                SELFTEST_SCRIPTS,
            ],
        },
        sort_keys=True,
    )
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def requests(kernel: SourceKernel, architecture: str) -> tuple[Request, ...]:
    """Return what is asked of a kernel for one architecture.

    Raises:
        ImageError: It is not declared for that one.
    """
    if architecture not in kernel.requests:
        raise ImageError(
            f"the kernel is not declared for {architecture}",
            hint="name its fragments in image.toml, under [kernel.source.fragments_of]",
        )
    return kernel.requests[architecture]
