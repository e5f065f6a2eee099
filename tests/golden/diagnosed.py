"""The stored capture pairs, one folder per behaviour and one of a clean path, and how to read them.

``make_diagnoses.py`` made them behind a real kernel and makes them again.
"""

import json
from pathlib import Path
from typing import Any

from mptcp_check.analysis.capture.capture_file import read
from mptcp_check.analysis.diagnose import DETECTORS, Diagnosis, diagnose
from mptcp_check.analysis.reporting import report
from mptcp_check.model import Side

FOLDER = Path(__file__).parent
CLEAN = "clean"
CASES = (CLEAN, *(behaviour for behaviour in DETECTORS if (FOLDER / behaviour).is_dir()))
"""The clean path, then the behaviours of which a pair is stored."""
TOOL_VERSION = "golden"


def capture_path(case: str, side: Side) -> Path:
    """Return where one end's capture of a case is stored."""
    return FOLDER / case / f"{side.value}.pcapng"


def report_path(case: str) -> Path:
    """Return where the expected report of a case is stored."""
    return FOLDER / case / "report.json"


def diagnosis_of(case: str) -> Diagnosis:
    """Judge a stored pair with today's rules."""
    client, server = (read(capture_path(case, side).read_bytes()) for side in Side)
    return diagnose(client, server)


def report_of(case: str) -> dict[str, Any]:
    """Return the report of a stored pair by today's rules, as JSON gives it back."""
    document = report.document(diagnosis_of(case), tool_version=TOOL_VERSION)
    found: dict[str, Any] = json.loads(json.dumps(document))
    return found
