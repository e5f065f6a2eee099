"""Where this program keeps things on this computer."""

import os
from dataclasses import dataclass
from pathlib import Path

import platformdirs

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


def places() -> Places:
    """Return the folders for images, runs and what was learnt about this computer."""
    home = os.environ.get(HOME)
    cache = Path(home) / "cache" if home else platformdirs.user_cache_path("mptcp-check")
    data = Path(home) if home else platformdirs.user_data_path("mptcp-check")
    return Places(
        images=cache / "images",
        runs=data / "runs",
        failures=data / "failures",
        vagrant=cache / "vagrant",
        accelerators=cache / "accelerators.json",
        # not in the cache: who empties that must not lose the protection from old images
        catalogues=data / "catalogues.json",
    )
