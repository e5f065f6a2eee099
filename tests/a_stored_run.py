"""A run as it lies on a user's disk, of golden captures."""

import json
import shutil
from pathlib import Path

from golden import diagnosed
from mptcp_check.model import Side
from mptcp_upload import manifest

RUN = "01m7yb61k3p14f0rs2rvpkqs67"


def stored_run(folder: Path, case: str = diagnosed.CLEAN, *, run_id: str = RUN) -> Path:
    """Write a whole run into a folder that does not exist, and return it."""
    (folder / "captures").mkdir(parents=True)
    (folder / "logs").mkdir()
    for side in Side:
        shutil.copyfile(diagnosed.capture_path(case, side), folder / "captures" / f"{side}.pcapng")
    report = {"schema": "mptcp-check.run/1", "run_id": run_id, "directory": str(folder)}
    (folder / "report.json").write_text(json.dumps({**report, "report": {"packets": []}}))
    (folder / "report.html").write_text("<p>made of the report")
    (folder / "logs" / "probe.log").write_text("10.77.0.1 asked 10.77.0.2\n")
    about = {"run_id": run_id, "started": "2026-11-21T08:00:00Z", "outcome": "mptcp"}
    versions = {"tool_version": "0.1.0", "rules_version": "1"}
    manifest.write(folder, manifest.build(folder, about={**about, **versions}))
    return folder
