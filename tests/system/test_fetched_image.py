"""A laptop that cannot build fetches an image over HTTP, boots it, and refuses it once changed."""

import os
import shutil
from pathlib import Path

import pytest

from image_catalogues import KEY, serving
from mptcp_appliance import cache, images, signing_key
from mptcp_check import settings
from mptcp_check.settings import IMAGE
from system.cli import call

pytestmark = [pytest.mark.system, pytest.mark.slow]

BUILDERS = ("mmdebstrap", "mksquashfs")


def without_builders(folder: Path) -> str:
    """Return a PATH with all that a run needs and nothing that builds."""
    folder.mkdir()
    for directory in os.environ["PATH"].split(os.pathsep):
        for program in Path(directory).glob("*"):
            if program.name not in BUILDERS and not (folder / program.name).exists():
                (folder / program.name).symlink_to(program)
    return str(folder)


def test_a_run_boots_the_image_of_a_catalogue(tmp_path: Path) -> None:
    built = cache.ensure(
        images.load(IMAGE), cache_dir=settings.places().images, progress=lambda _: None
    )
    signing_key.create(tmp_path / "k", signing_key.write(KEY, password="", salt=b""))
    home, path = tmp_path / "home", without_builders(tmp_path / "bin")
    out = str(tmp_path / "out")
    signed = call(
        "image", "sign", str(built.directory), "--secret-key", str(tmp_path / "k"),
        "--catalogue", out, home=home,
    )  # fmt: skip
    assert signed.code == 0, signed.err
    with serving(tmp_path / "out") as (url, _):
        fetched = call("image", "fetch", url, "--key", KEY.public.text, home=home, path=path)
    assert fetched.code == 0, fetched.err

    quick = ("run", "--quick", "--apps", "http", "--json")
    said = call(*quick, "--out", str(tmp_path / "run"), home=home, path=path)

    assert said.code == 0, said.err
    assert built.digest in (tmp_path / "run" / "report.json").read_text()
    kernel = Path(fetched.out.strip()) / "kernel"
    with kernel.open("r+b") as stream:
        stream.seek(-1, os.SEEK_END)
        last = stream.read(1)
        stream.seek(-1, os.SEEK_END)
        stream.write(bytes((last[0] ^ 1,)))
    refused = call(*quick, "--out", str(tmp_path / "second"), home=home, path=path)
    assert (refused.code, "kernel was changed" in refused.err) == (3, True)
    assert not (tmp_path / "second").exists()
    shutil.rmtree(home)
