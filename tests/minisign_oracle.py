"""The real minisign, as the witness for what is signed and verified here."""

import subprocess
from pathlib import Path


def minisign(*arguments: str, cwd: Path, said: bytes = b"") -> subprocess.CompletedProcess[str]:
    """Run it to its end; `said` is what a person would type."""
    done = subprocess.run(
        ["minisign", *arguments], cwd=cwd, input=said, capture_output=True, timeout=300, check=False
    )
    return subprocess.CompletedProcess(
        done.args, done.returncode, done.stdout.decode(), done.stderr.decode()
    )
