"""Make the stored capture pairs and their expected reports again.

    sudo .venv/bin/python tests/golden/make_diagnoses.py             all, behind a real kernel
    sudo .venv/bin/python tests/golden/make_diagnoses.py CASE…       some
    .venv/bin/python tests/golden/make_diagnoses.py --reports        the reports only, after a rule

Look at the difference before it is committed: a changed report is a changed verdict.
"""

import json
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from golden.diagnosed import CASES, CLEAN, capture_path, report_of, report_path
from mptcp_check.lab import matrix, matrix_run, sandbox
from mptcp_check.lab.case import Case, Circumstances
from mptcp_check.lab.expectations import identifier
from mptcp_check.model import Side

PAYLOAD_BYTES = 12_000
SMALLER = {
    "hole_blocked": "hole_blocked",
    "mptcp_option_removed_midstream": "mptcp_option_removed_midstream:first_segment=12",
    "payload_resized": "payload_resized",
    "reset_injected": "reset_injected:after_count=12",
    "path_blackholed": "path_blackholed:after_count=12",
}
"""What must begin earlier, or happen more often, as so little is transferred."""
MANY_BYTES = {"hole_blocked": 10_000, "retransmission_altered": 21_000}
SEEDS = 40
"""How often a behaviour that rests on chance is tried."""


def make(case: str) -> None:
    """Run one small transfer behind a behaviour and keep what both ends captured."""
    texts = {identifier(text): text for text in matrix.everything()} | SMALLER
    cases = [
        Case(
            behaviours=() if case == CLEAN else (texts[case],),
            circumstances=Circumstances(checksum=False, paths=2),
            seed=seed,
            payload_bytes=MANY_BYTES.get(case, PAYLOAD_BYTES),
        )
        for seed in range(SEEDS)
    ]
    for one in cases:
        with tempfile.TemporaryDirectory() as folder:
            played = matrix_run.play(
                [one], way=sandbox.required(), jobs=1, keep=Path(folder) / "kept"
            )
            (scored,) = list(played)
            if scored.status is not matrix.Status.RIGHT:
                sys.stderr.write(f"{case}, seed {one.seed}: {scored.status}, {scored.result}\n")
                continue
            for side in Side:
                path = capture_path(case, side)
                path.parent.mkdir(exist_ok=True)
                shutil.copyfile(Path(scored.result["directory"]) / f"{side}.pcapng", path)
            return
    raise SystemExit(f"{case} cannot be shown so")


def main(arguments: Sequence[str]) -> None:
    """Make what was asked for."""
    reports_only = "--reports" in arguments
    chosen = [a for a in arguments if a != "--reports"] or list(CASES)
    for case in chosen:
        if not reports_only:
            make(case)
        text = json.dumps(report_of(case), indent=1, ensure_ascii=False)
        report_path(case).write_text(text + "\n")
        sys.stdout.write(f"{case}: {report_of(case)['outcome']}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
