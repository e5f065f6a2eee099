import dataclasses
from pathlib import Path

import pytest

from appliance_declaration import SOURCE
from mptcp_appliance import kconfig, kernel_plan
from mptcp_appliance.errors import ImageError

BUILD = kernel_plan.Build(
    target=kernel_plan.TARGETS["arm64"],
    prefix="aarch64-linux-gnu-",
    source=Path("/s"),
    output=Path("/o"),
    seed=Path("/seed"),
)


def key(kernel: kernel_plan.SourceKernel = SOURCE, epoch_s: int = 1) -> str:
    return kernel_plan.key(kernel, architecture="amd64", epoch_s=epoch_s)


def test_make_is_told_architecture_compiler_and_folders() -> None:
    assert BUILD.compile(jobs=3) == [
        "make",
        "-C",
        "/s",
        "O=/o",
        "ARCH=arm64",
        "CROSS_COMPILE=aarch64-linux-gnu-",
        "KCONFIG_ALLCONFIG=/seed",
        "RUSTC=none-such",
        "BINDGEN=none-such",
        "PAHOLE=none-such",
        "-j3",
        "Image",
    ]
    assert BUILD.configure()[-1] == "allnoconfig"


def test_a_program_of_the_selftests_does_not_know_where_it_was_compiled() -> None:
    command = BUILD.selftest("mptcp_connect", Path("/r"))

    assert command[0] == "aarch64-linux-gnu-gcc"
    assert "-ffile-prefix-map=/s=." in command
    assert command[-1] == "/s/tools/testing/selftests/net/mptcp/mptcp_connect.c"


@pytest.mark.parametrize(
    ("architecture", "here", "prefix"),
    [
        ("amd64", "amd64", ""),
        ("arm64", "amd64", "aarch64-linux-gnu-"),
        ("amd64", "arm64", "x86_64-linux-gnu-"),
    ],
)
def test_what_runs_elsewhere_is_compiled_across(architecture: str, here: str, prefix: str) -> None:
    assert kernel_plan.prefix(architecture, here=here) == prefix


def test_the_environment_is_the_same_wherever_and_whenever() -> None:
    found = kernel_plan.environment(epoch_s=1_700_000_000, path="/bin")

    assert found["KBUILD_BUILD_TIMESTAMP"] == "Tue Nov 14 22:13:20 UTC 2023"
    assert found["PATH"] == "/bin"
    assert not {"MAKEFLAGS", "HOME", "KCFLAGS"} & found.keys()


def test_the_key_does_not_depend_on_reasons_but_on_what_is_asked_for() -> None:
    reason = kconfig.merge([("other", "CONFIG_TUN=y  # another reason\n")])
    value = kconfig.merge([("other", "CONFIG_TUN=n  # another reason\n")])
    one = dataclasses.replace(SOURCE, requests={"amd64": SOURCE.requests["amd64"][1:2]})
    assert one.requests["amd64"][0].option == "CONFIG_TUN"

    assert key(one) == key(dataclasses.replace(SOURCE, requests={"amd64": reason}))
    assert key(one) != key(dataclasses.replace(SOURCE, requests={"amd64": value}))


def test_version_package_moment_and_architecture_change_the_key() -> None:
    both = dataclasses.replace(
        SOURCE, requests=dict.fromkeys(("amd64", "arm64"), SOURCE.requests["amd64"])
    )
    keys = {
        key(),
        key(epoch_s=2),
        key(dataclasses.replace(SOURCE, version="6.1-2")),
        key(dataclasses.replace(SOURCE, package="linux-source-7")),
        kernel_plan.key(both, architecture="arm64", epoch_s=1),
    }

    assert len(keys) == 5
    assert key(both) == key()


def test_an_architecture_that_is_not_declared_or_not_known_is_named() -> None:
    with pytest.raises(ImageError, match="the kernel is not declared for arm64"):
        kernel_plan.key(SOURCE, architecture="arm64", epoch_s=1)
    with pytest.raises(ImageError, match="no kernel is built for riscv64"):
        kernel_plan.target("riscv64")
