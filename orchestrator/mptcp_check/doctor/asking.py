"""Programs that are asked for their versions; whatever they do is an answer."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass

from mptcp_check.errors import MptcpCheckError
from mptcp_check.machines import process

TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What became of asking a program for its version."""

    text: str = ""
    """Its first line."""
    trouble: str = ""
    """Why there is none; empty when all is well."""
    installed: bool = True


def ask(argv: Sequence[str], *, timeout_s: float = TIMEOUT_S) -> Said:
    """Run a program for its version; whatever it does is an answer."""
    if shutil.which(argv[0]) is None:
        return Said(trouble="not installed", installed=False)
    try:
        done = process.run(argv, timeout_s=timeout_s)
    except (MptcpCheckError, OSError) as e:
        return Said(trouble=str(e))
    if done.exit_code != 0:
        words = _first_line(process.plain(done.stderr.encode())).removeprefix("error: ")
        return Said(trouble=f"{argv[0]} ended with {done.exit_code}: {words or 'silent'}")
    return Said(text=_first_line(process.plain(done.stdout)))


def _first_line(text: str) -> str:
    return next(iter(text.splitlines()), "").strip()[:200]
