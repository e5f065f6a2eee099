"""Make the stored capture pairs and their expected reports again.

    sudo .venv/bin/python tests/golden/make_diagnoses.py             all, behind a real kernel
    sudo .venv/bin/python tests/golden/make_diagnoses.py CASE…       some
    .venv/bin/python tests/golden/make_diagnoses.py --reports        the reports only, after a rule

Look at the difference before it is committed: a changed report is a changed verdict.
"""

import json
import random
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from golden.diagnosed import CASES, CLEAN, capture_path, report_of, report_path

PAYLOAD_BYTES = 16_000


def make(case: str) -> None:
    """Run one small transfer behind a behaviour and keep what both ends captured."""
    from lab.network import lab  # noqa: PLC0415 - needs root; reports alone do not
    from mptcp_check.middleboxes import registry  # noqa: PLC0415
    from mptcp_check.middleboxes.chain import Chain  # noqa: PLC0415
    from mptcp_check.middleboxes.link import Link  # noqa: PLC0415
    from mptcp_check.model import Side  # noqa: PLC0415

    names = [] if case == CLEAN else [case]
    chains = [
        Chain(
            [
                *(registry.build(name, link_index=i, rng=random.Random(i)) for name in names),  # noqa: S311 - reproducible
                Link(),
            ]
        )
        for i in (0, 1)
    ]
    with lab(chains) as network:
        seen = network.observe(payload_bytes=PAYLOAD_BYTES)
    for side in Side:
        path = capture_path(case, side)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(seen.pcapng(side))


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
