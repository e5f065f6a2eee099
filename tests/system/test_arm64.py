"""The whole program as on a computer with an ARM processor, which is emulated here."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from mptcp_appliance import cache, images
from mptcp_check import settings
from system.cli import LIMIT_S, environment

pytestmark = pytest.mark.system

AS_ON_ARM = (
    "import platform, sys\n"
    "platform.machine = lambda: 'aarch64'\n"
    "from mptcp_check.cli.main import main\n"
    "main()\n"
)


@pytest.mark.slow
def test_a_run_on_an_arm_computer_boots_arm_machines_and_measures(tmp_path: Path) -> None:
    out = tmp_path / "run"
    done = subprocess.run(
        [
            *(sys.executable, "-c", AS_ON_ARM),
            *("run", "--quick", "--apps", "http", "--json", "--out", str(out)),
            *("--boot-timeout", "300"),
        ],
        capture_output=True,
        text=True,
        timeout=3 * LIMIT_S,  # the image may have to be built
        env=environment(None, None),
        check=False,
    )

    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    image = cache.find(
        images.load(settings.IMAGE), cache_dir=settings.places().images, architecture="arm64"
    )
    assert image is not None
    assert document["provenance"]["image_digest"] == image.digest
    assert {e["outcome"] for e in document["exchanges"]} == {"mptcp", "tcp"}
    assert all(e["sha256_ok"] for e in document["exchanges"])
