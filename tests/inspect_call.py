"""Call `mptcp-check inspect` as its user does: a process of its own."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROGRAM = Path(sys.executable).with_name("mptcp-check")
LIMIT_S = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.out)
        return found


def inspect(*arguments: str | Path, given: bytes | None = None) -> Said:
    """Run it to its end; ``given`` comes through a pipe."""
    done = subprocess.run(
        [str(PROGRAM), "inspect", *map(str, arguments)],
        capture_output=True,
        input=given or b"",
        timeout=LIMIT_S,
        check=False,
    )
    return Said(code=done.returncode, out=done.stdout.decode(), err=done.stderr.decode())
