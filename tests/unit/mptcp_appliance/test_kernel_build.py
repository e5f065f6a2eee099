import dataclasses
import io
import json
import subprocess
import tarfile
from pathlib import Path

import pytest

from appliance_declaration import SOURCE
from mptcp_appliance import kconfig, kernel_build, kernel_plan, kernel_source, plan
from mptcp_appliance.errors import ImageError
from mptcp_appliance.kernel_build import BuiltKernel, Recipe
from mptcp_appliance.workshop import Workshop

MAKEFILE = """\
allnoconfig:
\t@cp $(KCONFIG_ALLCONFIG) $O/.config
\t@echo 'CONFIG_CC_VERSION_TEXT="gcc 12"' >>$O/.config
bzImage:
\t@echo '  CC      kernel/fork.o'
\t@mkdir -p $O/arch/x86/boot $O/include/config
\t@echo "$(KBUILD_BUILD_TIMESTAMP) $(KCFLAGS)" >$O/arch/x86/boot/bzImage
\t@echo 6.1-mptcp-check >$O/include/config/kernel.release
headers:
\t@mkdir -p $O/usr/include
"""
"""Does what the kernel's own does, as far as a build looks."""

TREE = {
    "Makefile": MAKEFILE,
    "tools/testing/selftests/net/lib.sh": "# lib\n",
    "tools/testing/selftests/net/net_helper.sh": "# helper\n",
    "tools/testing/selftests/net/other.sh": "# not ours\n",
    "tools/testing/selftests/net/mptcp/diag.sh": "# diag\n",
    **{
        f"tools/testing/selftests/net/mptcp/{name}.c": "int main(void) { return 0; }\n"
        for name in kernel_plan.SELFTEST_PROGRAMS
    },
}
RECIPE = Recipe(suite="bookworm", epoch_s=1_700_000_000, hook=b"#!/bin/sh\n")


def archive(files: dict[str, bytes], *, mode: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as tar:  # type: ignore[call-overload]
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def source_package(folder: Path, files: dict[str, str], *, name: str = "linux-source-6") -> Path:
    """Make a real package as Debian's source package is one."""
    tree = folder / "tree"
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "DEBIAN/control").write_text(
        f"Package: {name}\nVersion: 6.1-1\nArchitecture: all\n"
        "Maintainer: nobody <nobody@example.invalid>\nDescription: test\n"
    )
    (tree / "usr/src").mkdir(parents=True)
    inner = {f"{name}/{path}": text.encode() for path, text in files.items()}
    (tree / f"usr/src/{name}.tar.xz").write_bytes(archive(inner, mode="w:xz"))
    deb = folder / f"{name}_6.1-1_all.deb"
    subprocess.run(["dpkg-deb", "--build", tree, deb], check=True, capture_output=True)
    return deb


class Archive:
    """Stands in for mmdebstrap: what was fetched is a package of this test's."""

    def __init__(self, deb: Path) -> None:
        self.deb = deb
        self.requests: list[plan.Packages] = []

    def __call__(self, request: plan.Packages, *, tar: Path, **_: object) -> None:
        self.requests.append(request)
        tar.write_bytes(
            archive({f"./{plan.SPOOL}/{self.deb.name}": self.deb.read_bytes()}, mode="w")
        )


@pytest.fixture
def debian(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Archive:
    debian = Archive(source_package(tmp_path, TREE))
    monkeypatch.setattr(kernel_source.packages, "install", debian)
    monkeypatch.setattr(kernel_build.platform, "machine", lambda: "x86_64")
    return debian


def ensure(
    cache_dir: Path, said: list[str] | None = None, kernel: kernel_plan.SourceKernel = SOURCE
) -> BuiltKernel:
    work = cache_dir / "work"
    work.mkdir(parents=True, exist_ok=True)
    shop = Workshop(work=work, progress=(said if said is not None else []).append)
    return kernel_build.ensure(kernel, RECIPE, architecture="amd64", cache_dir=cache_dir, shop=shop)


def test_a_kernel_is_built_once_and_found_again(debian: Archive, tmp_path: Path) -> None:
    said: list[str] = []
    first = ensure(tmp_path / "cache", said)
    second = ensure(tmp_path / "cache")

    assert first == second
    assert len(debian.requests) == 1
    assert debian.requests[0].variant == "custom"
    assert first.directory.parent == tmp_path / "cache" / "kernels"
    assert first.kernel.release == "6.1-mptcp-check"
    assert first.kernel.packed_modules == {}
    assert kconfig.options(first.kernel.config)["CONFIG_MPTCP"] == "y"
    assert first.facts["source_package"] == "linux-source-6_6.1-1_all.deb"
    assert first.facts["compiler"] == "gcc 12"
    assert len(first.facts["source_sha256"]) == 64
    assert any("compiling the kernel: 0 % (1 files, fork.o)" in line for line in said)
    assert list((tmp_path / "cache" / "work").iterdir()) == []


@pytest.mark.usefixtures("debian")
def test_the_selftests_of_multipath_tcp_come_with_it(tmp_path: Path) -> None:
    found = ensure(tmp_path / "cache").selftests

    programs = {f"net/mptcp/{name}" for name in kernel_plan.SELFTEST_PROGRAMS}
    assert found.keys() == {"net/lib.sh", "net/net_helper.sh", "net/mptcp/diag.sh", *programs}
    assert all(found[name].startswith(b"\x7fELF") for name in programs)


@pytest.mark.usefixtures("debian")
def test_nothing_of_the_callers_environment_reaches_the_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KCFLAGS", "-O0")
    monkeypatch.setenv("MAKEFLAGS", "--dry-run")

    image = ensure(tmp_path / "cache").kernel.image

    assert image == b"Tue Nov 14 22:13:20 UTC 2023 \n"


def test_an_option_that_kconfig_drops_ends_the_build(debian: Archive, tmp_path: Path) -> None:
    broken = TREE | {
        "Makefile": MAKEFILE.replace("@cp", "@grep -v MPTCP").replace(" $O", " >$O", 1)
    }
    debian.deb = source_package(tmp_path / "broken", broken)

    with pytest.raises(ImageError, match="did not take CONFIG_MPTCP=y of required"):
        ensure(tmp_path / "cache")

    assert not (tmp_path / "cache" / "kernels").exists()


def test_a_compiler_that_fails_is_quoted(debian: Archive, tmp_path: Path) -> None:
    line = "\t@echo 'kernel/fork.c:1:2: error: no such thing' >&2; exit 1\n"
    debian.deb = source_package(
        tmp_path / "broken",
        TREE | {"Makefile": MAKEFILE.replace("headers:\n", f"headers:\n{line}")},
    )

    with pytest.raises(ImageError, match=r"make failed .*fork\.c:1:2: error: no such thing"):
        ensure(tmp_path / "cache")


def test_a_package_without_the_source_is_named(debian: Archive, tmp_path: Path) -> None:
    debian.deb = source_package(tmp_path / "other", TREE, name="linux-source-7")

    with pytest.raises(ImageError, match=r"holds no usr/src/linux-source-6\.tar\.xz"):
        ensure(tmp_path / "cache")


@pytest.mark.usefixtures("debian")
@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "kernel").write_bytes(b"x"), "was changed"),
        (lambda folder: (folder / "kernel").unlink(), "cannot be read"),
        (lambda folder: (folder / "about.json").write_text("{"), "cannot be read"),
        (lambda folder: (folder / "about.json").write_text(json.dumps([1])), "cannot be read"),
    ],
)
def test_a_damaged_kernel_is_named_with_the_way_out(
    tmp_path: Path, damage: "object", message: str
) -> None:
    folder = ensure(tmp_path / "cache").directory
    assert callable(damage)
    damage(folder)

    with pytest.raises(ImageError, match=message) as caught:
        ensure(tmp_path / "cache")
    assert f"Remove the folder {folder}" in caught.value.hint


@pytest.mark.usefixtures("debian")
def test_a_missing_compiler_is_named_with_its_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")

    with pytest.raises(ImageError, match=r"needs .*make, flex, .*gcc") as caught:
        ensure(tmp_path / "cache")
    assert "apt install make flex bison bc" in caught.value.hint


@pytest.mark.usefixtures("debian")
def test_missing_room_is_told_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernel_plan, "NEEDED_MB", 10**9)

    with pytest.raises(ImageError, match=r"building a kernel needs 1000000000 MB"):
        ensure(tmp_path / "cache")


@pytest.mark.usefixtures("debian")
def test_another_option_is_another_kernel(tmp_path: Path) -> None:
    more = (*SOURCE.requests["amd64"], *kconfig.parse("more", "CONFIG_VETH=y  # pairs\n"))

    first = ensure(tmp_path / "cache")
    second = ensure(
        tmp_path / "cache", kernel=dataclasses.replace(SOURCE, requests={"amd64": more})
    )

    assert first.directory != second.directory
