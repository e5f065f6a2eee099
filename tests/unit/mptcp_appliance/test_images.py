import shutil
import subprocess
from pathlib import Path

import pytest

from mptcp_appliance import images, plan
from mptcp_appliance.errors import ImageError

FOLDER = Path(images.__file__).parents[1] / "images" / "appliance"


def test_the_appliance_is_declared_for_both_architectures() -> None:
    declaration = images.load("appliance")

    assert plan.command_line(declaration, architecture="amd64").startswith("console=ttyS0 ")
    assert plan.command_line(declaration, architecture="arm64").startswith("console=ttyAMA0 ")
    assert "usr/local/sbin/mptcp-check-init" in declaration.root_files


def test_an_unknown_image_is_named_with_the_known_ones() -> None:
    with pytest.raises(ImageError, match="no image is called 'probe'") as caught:
        images.load("probe")
    assert "appliance" in caught.value.hint


@pytest.mark.parametrize(
    "script",
    [
        "initramfs/init",
        "rootfs/usr/local/sbin/mptcp-check-init",
        "rootfs/usr/local/sbin/overlay-init",
        "rootfs/usr/local/sbin/ssh-over-port",
        "hooks/fetch-kernel",
        "hooks/fetch-source",
    ],
)
def test_the_shell_scripts_of_the_image_are_clean(script: str) -> None:
    assert shutil.which("shellcheck"), "apt install shellcheck"
    # busybox has the POSIX shell that these are written for
    done = subprocess.run(
        ["shellcheck", "--shell=sh", FOLDER / script], capture_output=True, text=True, check=False
    )

    assert done.stdout == ""


def test_nothing_in_the_image_names_a_host() -> None:
    declaration = images.load("appliance")
    texts = [*declaration.root_files.values(), *declaration.hooks.values()]

    assert not any(b"://" in text for text in texts)
