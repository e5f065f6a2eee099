"""Where this program keeps things on this computer."""

import os
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from mptcp_check import settings_file

HOME = "MPTCP_CHECK_HOME"
"""Environment variable: one folder for everything, instead of the system's usual places."""

IMAGE = "appliance"
"""Which of the declared images machines boot."""

FREE_FOR_RUN_BYTES = 500 << 20
"""What a run may need on the disk of its folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where things are kept."""

    images: Path
    """Built images, by content hash."""
    runs: Path
    """Whole runs, one folder each."""
    failures: Path
    """What machines said last when a run failed, a folder for each."""
    accelerators: Path
    """What boots of the past told about this computer (JSON)."""
    vagrant: Path
    """Vagrant's boxes and machines of ours."""
    catalogues: Path
    """Which catalogues of images are trusted, by which key (JSON)."""


def file() -> Path:
    """Return where the user's settings are kept, whether there are any or not."""
    home = os.environ.get(HOME)
    folder = Path(home) if home else platformdirs.user_config_path("mptcp-check")
    return folder / "config.toml"


def places() -> Places:
    """Return the folders for images, runs and what was learnt about this computer.

    Raises:
        UsageError: The file of settings cannot be read.
    """
    said = os.environ.get(HOME)
    home = Path(said) if said else settings_file.read(file()).home
    cache = home / "cache" if home else platformdirs.user_cache_path("mptcp-check")
    data = home or platformdirs.user_data_path("mptcp-check")
    return Places(
        images=cache / "images",
        runs=data / "runs",
        failures=data / "failures",
        vagrant=cache / "vagrant",
        accelerators=cache / "accelerators.json",
        # not in the cache: who empties that must not lose the protection from old images
        catalogues=data / "catalogues.json",
    )
